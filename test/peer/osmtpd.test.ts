/** OpenSMTPD as sender and as primary: the same outage in a smaller form (DESIGN.md §4.1). */
import { interop } from './lab/interop.ts';
import { opensmtpd } from './lab/mta.ts';

interop(opensmtpd);
