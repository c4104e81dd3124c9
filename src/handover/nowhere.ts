/**
 * The handover of a site that comes for its mail by a connection of its own (ODMR, a mailbox): there is
 * nowhere for us to go.
 */
import type { Handover } from './port.ts';

export const nowhere: Handover = {
  connect: async () => ({ kind: 'trouble', cause: 'connect', text: 'it gets its mail when it comes for it' }),
};
