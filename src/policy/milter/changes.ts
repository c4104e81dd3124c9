/**
 * What a filter asks for at the end of a mail, made into what may be done. Header and body are changed; recipients
 * may be taken away; the sender stays, and nobody is added: what we may tell the sender of (`notify/right.ts`) and
 * whose mail we take (`relay.ts`) was judged by the envelope as it came.
 *
 * Promises: whatever a filter writes, a header stays a header (no empty line, no field that is none), and no
 * bare CR, LF or NUL gets in.
 */
import { editHeader, type Field, fieldsOf, type HeaderEdit } from '../../mail/header-edit.ts';
import type { Change } from '../../protocol/milter/answer.ts';

/** What comes of the changes of one filter. */
export interface Made {
  /** In their order. */
  readonly edits: readonly HeaderEdit[];
  /** As the edits make it. */
  readonly header: Buffer;
  /** Another body, if it wrote one. */
  readonly body?: readonly Buffer[];
  /** Recipients that it takes away, as it wrote them. */
  readonly removed: readonly string[];
  /** Why the mail is to be held. */
  readonly quarantine?: string;
  /** What it asked for and did not get: short words. */
  readonly ignored: readonly string[];
}

/** `leadingSpace`: it writes the blank behind the colon itself. */
export function make(changes: readonly Change[], header: Buffer, leadingSpace: boolean): Made {
  const edits: HeaderEdit[] = [];
  const chunks: Buffer[] = [];
  const removed: string[] = [];
  const ignored = new Set<string>();
  let written = false;
  let quarantine: string | undefined;
  let now = header;
  for (const change of changes) {
    switch (change.kind) {
      case 'add header':
      case 'insert header':
      case 'change header': {
        const edit = editOf(change, now, leadingSpace);
        if (edit === 'no name') ignored.add('a field without a name');
        else if (edit) {
          edits.push(edit);
          now = editHeader(now, [edit]);
        }
        break;
      }
      case 'replace body':
        written = true;
        chunks.push(change.chunk);
        break;
      case 'delete recipient':
        removed.push(change.address);
        break;
      case 'quarantine':
        quarantine = change.reason;
        break;
      case 'add recipient':
        ignored.add('another recipient');
        break;
      case 'change sender':
        ignored.add('another sender');
        break;
      default:
        change satisfies never;
    }
  }
  const body = written ? { body: [...bodyLines(chunks)] } : {};
  const held = quarantine === undefined ? {} : { quarantine };
  return { edits, header: now, removed, ignored: [...ignored], ...body, ...held };
}

type HeaderChange = Extract<Change, { readonly name: string }>;

/** Undefined: there is nothing to do. */
function editOf(
  change: HeaderChange,
  header: Buffer,
  leadingSpace: boolean,
): HeaderEdit | 'no name' | undefined {
  const { kind, name } = change;
  // RFC 5322 §2.2: printable US-ASCII but the colon.
  if (!/^[\x21-\x39\x3b-\x7e]{1,200}$/.test(name)) return 'no name';
  const value = fieldValue(change.value, leadingSpace);
  const fields = fieldsOf(header);
  switch (kind) {
    case 'add header':
      return { kind: 'insert', name, value, before: lastField(fields) };
    case 'insert header':
      // As sendmail and Postfix count: 0 is above our own Received, 1 right below it.
      return { kind: 'insert', name, value, before: Math.min(Math.max(0, change.at - 1), lastField(fields)) };
    case 'change header': {
      const { at } = change;
      const there = fields.filter((field) => field.name === name.toLowerCase()).length;
      if (change.value.length === 0) return there >= at ? { kind: 'remove', name, at } : undefined;
      if (there >= at) return { kind: 'replace', name, at, value };
      return { kind: 'insert', name, value, before: lastField(fields) };
    }
    default:
      return kind satisfies never;
  }
}

/** How many fields there are: the empty line behind them is none. */
const lastField = (fields: readonly Field[]): number =>
  fields.at(-1)?.octets.equals(EMPTY_LINE) ? fields.length - 1 : fields.length;

const EMPTY_LINE = Buffer.from('\r\n');

/** Lines ended as in SMTP, each but the first begun with white space, none empty. Octets beyond ASCII stay. */
function fieldValue(value: Buffer, leadingSpace: boolean): Buffer {
  const [first = '', ...more] = value.toString('latin1').split(/\r\n|\r|\n/);
  const begun = leadingSpace ? first : ` ${first}`;
  const folded = more
    .filter((line) => line.trim() !== '')
    .map((line) => (/^[ \t]/.test(line) ? line : `\t${line}`));
  return Buffer.from([begun, ...folded].join('\r\n'), 'latin1');
}

/** The same for a body, across its pieces. */
function* bodyLines(chunks: readonly Buffer[]): Generator<Buffer> {
  let carried = '';
  let last = '\n';
  for (const chunk of chunks) {
    const text = carried + chunk.toString('latin1').replaceAll('\0', '');
    // Its LF may come with the next.
    carried = text.endsWith('\r') ? '\r' : '';
    const whole = carried === '' ? text : text.slice(0, -1);
    if (whole === '') continue;
    last = whole.at(-1) ?? last;
    yield Buffer.from(whole.replace(/\r\n|\r|\n/g, '\r\n'), 'latin1');
  }
  if (carried !== '' || last !== '\n') yield EMPTY_LINE;
}
