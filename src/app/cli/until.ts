/** `--for 2d` and `--until TIME`: when a hold ends. */
import { Stop } from './terminal.ts';

export interface Until {
  readonly for?: string;
  readonly until?: string;
}

/** As the contract wants it; empty for "until released". */
export function endOf(options: Until, now: number): { until?: string } {
  if (options.for !== undefined && options.until !== undefined)
    throw new Stop(2, '--for and --until: one of both');
  if (options.for !== undefined)
    return { until: new Date(now + milliseconds('--for', options.for)).toISOString() };
  if (options.until === undefined) return {};
  const at = Date.parse(options.until);
  if (Number.isNaN(at))
    throw new Stop(2, `--until: "${options.until}" is no time: 2026-01-31 or 2026-01-31T18:00 is one`);
  return { until: new Date(at).toISOString() };
}

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3 };

/** A duration as in the configuration. */
export function milliseconds(option: string, text: string): number {
  const [, digits, unit] = /^(\d{1,9})\s*([smhdw])$/i.exec(text.trim()) ?? [];
  if (digits !== undefined && unit !== undefined) return Number(digits) * (UNITS[unit.toLowerCase()] ?? 0);
  throw new Stop(2, `${option}: "${text}" is no duration: 90s, 15m, 4h, 30d or 2w is one`);
}
