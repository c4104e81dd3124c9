/** What the killed process and its judge have in common. */
import type { LogLimits } from '../../src/spool/log/index.ts';

export const KILL_LIMITS: Partial<LogLimits> = {
  segment: 32 * 1024,
  reserve: 0,
  keptForOutcomes: 64 * 1024,
  keptForCompaction: 32 * 1024,
};

/** What the child says when it begins it: moments that are worth a kill. */
export const MARKS = ['new segment', 'side file', 'removal'] as const;

export function bodyOf(mark: number, size: number): Buffer {
  return Buffer.alloc(size, `mail ${mark} `);
}
