/**
 * Room: want of it is always temporary (452 4.3.1), and a site that fills its share makes only
 * its own recipients wait. A spool that can't write is 451 4.3.0.
 * RFC 5321 §4.2.2 (452); RFC 3463 X.3.1, X.3.0.
 */
import type { QueueName, Refused } from '../spool/port.ts';
import type { RoomView } from './ports.ts';
import { ACCEPT, defer, type Refusal, type Verdict } from './verdict.ts';

/** At MAIL. */
export function spoolRoom(spool: RoomView, size: number | undefined): Verdict {
  const health = spool.health();
  if (health.state === 'readonly') return broken(health.why ?? 'the spool is read-only');
  if (health.state === 'full' || health.room < (size ?? 0)) return noRoom(`${health.room} octets left`);
  return ACCEPT;
}

/** At RCPT: the share of this queue. */
export function queueRoom(spool: RoomView, queue: QueueName, size: number | undefined): Verdict {
  const room = spool.room?.(queue);
  if (room === undefined || (room > 0 && room >= (size ?? 0))) return ACCEPT;
  return noRoom(`the share of ${queue} has ${room} octets left`);
}

/** At DATA and at the end of data: what the spool itself says. */
export function spoolRefusal(refused: Refused): Refusal {
  const why = `${refused.why}: ${refused.text}`;
  switch (refused.why) {
    case 'full':
    case 'share':
    case 'memory':
      return noRoom(why);
    case 'readonly':
    case 'io':
      return broken(why);
  }
}

const noRoom = (why: string): Refusal => defer(452, '4.3.1', 'Insufficient storage, try again later', why);
const broken = (why: string): Refusal =>
  defer(451, '4.3.0', 'Mail can not be stored now, try again later', why);
