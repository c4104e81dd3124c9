/**
 * An SMTP reply as a value: code (RFC 5321 §4.2), enhanced status code (RFC 3463, 2034)
 * and text. Used for what we say, for what a peer said, and in outcomes.
 */
export interface Reply {
  /** 200–599. */
  readonly code: number;
  /** "5.7.1"; absent where a peer gave none, and in greetings and replies to EHLO/HELO. */
  readonly enhanced?: string;
  /** One element a line, without codes. At least one. Printable text only. */
  readonly text: readonly string[];
}

export function reply(code: number, enhanced: string | undefined, ...text: string[]): Reply {
  return enhanced === undefined ? { code, text } : { code, enhanced, text };
}

export const isPositive = (r: Reply): boolean => r.code >= 200 && r.code < 300;
export const isTransient = (r: Reply): boolean => r.code >= 400 && r.code < 500;
export const isPermanent = (r: Reply): boolean => r.code >= 500 && r.code < 600;

/** One line for people and logs: "550 5.1.1 No such user; really". */
export function describe(r: Reply): string {
  return [r.code, r.enhanced, r.text.join('; ')].filter((x) => x !== undefined && x !== '').join(' ');
}
