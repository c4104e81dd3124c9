/** Exim as sender and as primary: the same outage in a smaller form (DESIGN.md §4.1). */
import { interop } from './lab/interop.ts';
import { exim } from './lab/mta.ts';

interop(exim);
