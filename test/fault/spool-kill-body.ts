/** What the killed process and its judge have in common. */
import type { LogLimits } from '../../src/spool/log/index.ts';

export const KILL_LIMITS: Partial<LogLimits> = {
  segment: 256 * 1024,
  reserve: 0,
  keptForOutcomes: 64 * 1024,
  keptForCompaction: 256 * 1024,
};

export function bodyOf(mark: number, size: number): Buffer {
  return Buffer.alloc(size, `mail ${mark} `);
}
