/**
 * What rmail has beside the mail itself: the `From` line that carries the sender, and recipients that may
 * be bang paths.
 *
 * Written: `From joe@b.example Tue Jan  5 12:00:00 2026`, and `From <> …` for the null sender. Without
 * `remote from`: the rmail of sendmail and Postfix would make mx2.example.net!joe@b.example of it.
 *
 * Read: with and without `remote from`, several of them, `>From` too, as each hop may have added one.
 *
 * Bang paths mean this. In `a!b!user` each system passes the rest on to the next, so it is for `user` at the
 * last system, `b`. That is an address only if `b` is a domain name: user@b. What stands before it is how
 * to get there, which is not the far end's to say any more. Refused: a last system that is no domain name
 * (`relay!user`: nobody but `relay` knows who that is), and a mixture (`a!user@b`, which RFC 976 and RFC 822
 * read differently).
 *
 * RFC 976 (hybrid addresses, the envelope).
 */
import { isAscii } from '../../mail/address.ts';

/** RFC 976; asctime, in UTC. */
export function fromLine(sender: string, now: number): string | null {
  if (sender !== '' && !isFromWord(sender)) return null;
  const [, weekday, day = '', month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+) GMT$/.exec(new Date(now).toUTCString()) ?? [];
  const date = `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
  return `From ${sender === '' ? '<>' : sender} ${date}\n`;
}

/** Can it be read again behind `From `? */
const isFromWord = (sender: string): boolean => !/[\x00-\x20\x7f<>!]/.test(sender);

export type Path =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'refused'; readonly why: string };

/** A recipient or a sender as UUCP gives it. The null sender and the mailers' own name are ''. */
export function readPath(written: string): Path {
  const text = /^<(.*)>$/s.exec(written)?.[1] ?? written;
  if (text.length > 1000) return refused('the address is too long');
  if (/[\x00-\x20\x7f]/.test(text)) return refused('a space or a control character');
  const bang = text.lastIndexOf('!');
  if (bang < 0) return { kind: 'address', address: text };
  if (text.startsWith('"')) return { kind: 'address', address: text };
  if (text.includes('@')) return refused('"!" and "@" in one address mean two things');
  const path = text.slice(0, bang).split('!');
  const user = text.slice(bang + 1);
  const last = path.at(-1) ?? '';
  if (user === '' || path.includes('')) return refused('an empty step in the path');
  if (!isDomainName(last)) return refused(`${last} is no domain name`);
  return { kind: 'address', address: `${user}@${last}` };
}

const refused = (why: string): Path => ({ kind: 'refused', why });

/** A pseudo domain of UUCP is none. */
function isDomainName(name: string): boolean {
  if (!isAscii(name) || !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/.test(name)) return false;
  return !/\.uucp$/i.test(name) && !/^[\d.]+$/.test(name);
}

// Words end at a blank of ASCII only: a UTF-8 address may have any other in it.
const FROM = /^>?From +([^\x00-\x20]+)(?: +([^\n]*?))?(?: +remote from +([^\x00-\x20]+))? *$/i;

export interface FromLine {
  readonly user: string;
  readonly remote?: string;
}

/** One such line without its end; null for any other line. */
export function parseFromLine(line: string): FromLine | null {
  const [, user, , remote] = FROM.exec(line) ?? [];
  if (user === undefined) return null;
  return remote === undefined ? { user } : { user, remote };
}

/**
 * The sender that a run of From lines means. The last line is the oldest: it has the user; the systems of the
 * lines above say where it passed. An address with @ stands for itself, whatever `remote from` says.
 */
export function senderOf(lines: readonly FromLine[]): Path {
  const first = lines.at(-1);
  if (!first) return refused('there is no From line');
  const { user, remote } = first;
  if (user === '<>' || /^(.*!)?mailer-daemon$/i.test(user)) return { kind: 'address', address: '' };
  const bare = /^<(.+)>$/.exec(user)?.[1] ?? user;
  if (bare.includes('@') && !bare.includes('!')) return readPath(bare);
  // b!joe@c.example: what an rmail on the way made of `joe@c.example … remote from b`.
  const hybrid = /^(?:[^!@]+!)+([^!@]+@[^!@]+)$/.exec(bare)?.[1];
  if (hybrid !== undefined) return readPath(hybrid);
  return readPath(remote === undefined ? bare : `${remote}!${bare}`);
}
