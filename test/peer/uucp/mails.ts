/**
 * Mails for UUCP in both its forms, and how they are read back. A mail is compared as one text: envelope and content, so
 * that lists can be compared as lists. Lines end with LF: that is UUCP's own form.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { corpusMail } from '../lab/corpus.ts';
import type { Taken } from './stand-in.ts';

export interface Mail {
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly content: Buffer;
}

/**
 * Of all kinds: 1 to 5 recipients, the null sender, addresses of more than ASCII, dots, 8-bit, From lines. `plain`: only
 * addresses that need no quoting on a command line, which are all that Restante gives to rmail.
 */
export function mails(
  name: string,
  count: number,
  domain: string,
  size: readonly [number, number],
  plain = false,
): Mail[] {
  return Array.from({ length: count }, (_, n) => {
    const sender =
      n % 7 === 3 ? '' : n % 11 === 5 ? `jürgen+${n}@bücher.example` : `o'neil&${n}=a@sender.example`;
    const recipients = Array.from({ length: 1 + (n % 5) }, (_, i) =>
      i === 3 ? `käthe.${n}@${domain}` : `u${n}.${i}${plain ? '' : '$x'}@${domain}`,
    );
    const mail = corpusMail({ name, count, size, sender: 'x@sender.example', domains: [domain] }, n);
    return {
      sender,
      recipients,
      content: Buffer.from(mail.content.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
    };
  });
}

export const shown = ({ sender, recipients, content }: Mail): string =>
  `<${sender}> to ${[...recipients].sort().join(' ')}\n${content.toString('latin1')}`;

export const listed = (all: readonly Mail[]): string[] => all.map(shown).sort();

/** What rmail gets from Restante: one From line, with <> for the null sender. */
export const forRmail = ({ sender, content }: Mail): Buffer =>
  Buffer.concat([Buffer.from(`From ${sender === '' ? '<>' : sender} Wed Jun 25 10:00:00 2025\n`), content]);

/** RFC 2442: many mails in one job. */
export function batch(all: readonly Mail[]): Buffer {
  const parts = ['EHLO mx2.example.net\r\n'];
  for (const { sender, recipients, content } of all) {
    parts.push(`MAIL FROM:<${latin(sender)}> BODY=8BITMIME SMTPUTF8\r\n`);
    parts.push(...recipients.map((to) => `RCPT TO:<${latin(to)}> NOTIFY=NEVER\r\n`), 'DATA\r\n');
    const lines = content.toString('latin1').replace(/\n$/, '').split('\n');
    parts.push(...lines.map((line) => `${line.startsWith('.') ? '.' : ''}${line}\r\n`), '.\r\n');
  }
  return Buffer.from(`${parts.join('')}QUIT\r\n`, 'latin1');
}

export const compressed = (all: readonly Mail[]): Buffer => gzipSync(batch(all));

const latin = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** What sendmail was given: `-i -f SENDER -- RECIPIENT...`. */
export function atSendmail({ args, content }: Taken): Mail {
  const [i, f, sender = '?', dashes, ...recipients] = args;
  if (i !== '-i' || f !== '-f' || dashes !== '--') throw new Error(`sendmail ${args.join(' ')}`);
  return { sender: sender === '<>' ? '' : sender, recipients, content };
}

/** What `restante rmail` and `restante rsmtp` were given: a job can hold many mails. */
export function atRestante({ args, content }: Taken): Mail[] {
  const [command, , , dashes, ...recipients] = args;
  if (command === 'rmail' && dashes === '--') {
    const end = content.indexOf('\n');
    const sender = content.subarray(0, end).toString('utf8').split(' ')[1] ?? '?';
    return [{ sender: sender === '<>' ? '' : sender, recipients, content: content.subarray(end + 1) }];
  }
  if (command !== 'rsmtp') throw new Error(`restante ${args.join(' ')}`);
  return unbatched(content[0] === 0x1f ? gunzipSync(content) : content);
}

function unbatched(text: Buffer): Mail[] {
  const all: Mail[] = [];
  let sender = '';
  let recipients: string[] = [];
  let lines: string[] | null = null;
  for (const line of text.toString('latin1').split('\r\n')) {
    const path = Buffer.from(/<(.*)>/.exec(line)?.[1] ?? '', 'latin1').toString('utf8');
    if (lines) {
      if (line === '.') {
        all.push({ sender, recipients, content: Buffer.from(`${lines.join('\n')}\n`, 'latin1') });
        [lines, recipients] = [null, []];
      } else lines.push(line.replace(/^\./, ''));
    } else if (line.startsWith('MAIL')) sender = path;
    else if (line.startsWith('RCPT')) recipients.push(path);
    else if (line === 'DATA') lines = [];
  }
  return all;
}
