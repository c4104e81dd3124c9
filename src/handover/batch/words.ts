/**
 * The words of a command line, with addresses of strangers among them.
 *
 * We use no shell. But uux joins its words, splits them again at spaces and tabs, and takes ! < > | ; & * and
 * a first ( for its own; parentheses around a word quote all but white space. What it spools is a line of
 * words again, in which # begins a comment and a backslash quotes. uuxqt takes a word that begins with / or ~, or
 * holds /../, for a file, and where a word holds one of "'`*?[;&()|<>\$ it lets /bin/sh read the whole line,
 * or does not, as it was built. ssh gives all words to a shell over there. rmail takes what begins with - for an
 * option and what holds ! for a path.
 *
 * So there is no quoting that is right for all of them, and only addresses that need none go through: letters,
 * digits and . _ + = % / - , which is nearly all there are. `exact` is for programs that pass their
 * words on as they are (NNCP): then only what rmail itself would mistake stays behind.
 */
import { domainPart, localPart } from '../../mail/address.ts';
import type { Batch } from '../../site/site.ts';

const SHELL_LOCAL = /^[\p{L}\p{N}_+=][\p{L}\p{M}\p{N}._+=%/-]*$/u;
const EXACT_LOCAL = /^[^-!\s\p{C}][^!\s\p{C}]*$/u;
const DOMAIN = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}._-]*$/u;

/** May this address be a word of the command? */
export function isSafe(address: string, words: Batch['words']): boolean {
  const local = localPart(address);
  if (!DOMAIN.test(domainPart(address))) return false;
  if (words === 'exact') return EXACT_LOCAL.test(local);
  return SHELL_LOCAL.test(local) && !local.includes('/../') && !local.endsWith('/..');
}

export interface Places {
  readonly recipients: readonly string[];
  /** '' for the null one. */
  readonly sender: string;
  readonly site: string;
  readonly file: string;
}

/** The command with its places filled. A word with `{recipients}` becomes one for each of them. */
export function fillIn(command: readonly string[], places: Places): string[] {
  const single = new Map([
    ['{sender}', places.sender === '' ? 'MAILER-DAEMON' : places.sender],
    ['{site}', places.site],
    ['{file}', places.file],
  ]);
  // By function, and all at once: what is put in is never looked at again.
  const fill = (word: string, recipient: string): string =>
    word.replace(/\{[a-z]+\}/g, (place) =>
      place === '{recipients}' ? recipient : (single.get(place) ?? place),
    );
  return command.flatMap((word) =>
    word.includes('{recipients}') ? places.recipients.map((r) => fill(word, r)) : [fill(word, '')],
  );
}

export const wants = (command: readonly string[], place: string): boolean =>
  command.some((word) => word.includes(place));

/** Old UUCPs keep a command in a line of 1024 octets; uux adds little to it. */
const MOST_OCTETS = 800;

/** Recipients in groups that fit on a command line. */
export function groups(recipients: readonly string[]): string[][] {
  const all: string[][] = [];
  let room = 0;
  for (const recipient of recipients) {
    const length = Buffer.byteLength(recipient) + 3;
    if (length > room || all.length === 0) {
      all.push([]);
      room = MOST_OCTETS;
    }
    all.at(-1)?.push(recipient);
    room -= length;
  }
  return all;
}
