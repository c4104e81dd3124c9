/**
 * Changes to the fields of a header block, as octets: what is not touched stays as it came.
 * RFC 5322 §2.2 (a field: its name, a colon, a body that may be folded).
 */

/**
 * `at`: which of the fields of this name (in any case), the first is 1; one that is not there is passed over.
 * `name` as it is to be written; `value` with its leading space, if any, folded with CRLF, without a CRLF at its end;
 * text becomes UTF-8.
 */
export type HeaderEdit =
  | { readonly kind: 'remove'; readonly name: string; readonly at: number }
  | { readonly kind: 'replace'; readonly name: string; readonly at: number; readonly value: string | Buffer }
  /** `before`: the number of fields that stay above it; as many as there are or more: at the end. */
  | {
      readonly kind: 'insert';
      readonly name: string;
      readonly value: string | Buffer;
      readonly before: number;
    };

const EMPTY_LINE = Buffer.from('\r\n');
const END = Buffer.from('\r\n\r\n');

export interface Field {
  /** Lower case; '' for a line that is no field. */
  readonly name: string;
  readonly octets: Buffer;
}

/** `header`: the whole block, with its empty line if it has one. The edits are made one after the other. */
export function editHeader(header: Buffer, edits: readonly HeaderEdit[]): Buffer {
  if (edits.length === 0) return header;
  const ended = header.equals(EMPTY_LINE) || header.subarray(-4).equals(END);
  const fields = fieldsOf(ended ? header.subarray(0, -2) : header);
  for (const edit of edits) apply(fields, edit);
  const empty = ended ? [EMPTY_LINE] : [];
  return Buffer.concat([...fields.map((field) => field.octets), ...empty]);
}

function apply(fields: Field[], edit: HeaderEdit): void {
  if (edit.kind === 'insert') {
    fields.splice(Math.max(0, edit.before), 0, written(edit.name, edit.value));
    return;
  }
  const at = nth(fields, edit.name.toLowerCase(), edit.at);
  if (at < 0) return;
  if (edit.kind === 'remove') fields.splice(at, 1);
  else fields.splice(at, 1, written(edit.name, edit.value));
}

function nth(fields: readonly Field[], name: string, n: number): number {
  let seen = 0;
  return fields.findIndex((field) => field.name === name && ++seen === n);
}

const written = (name: string, value: string | Buffer): Field => ({
  name: name.toLowerCase(),
  octets: Buffer.concat([
    Buffer.from(`${name}:`),
    typeof value === 'string' ? Buffer.from(value) : value,
    EMPTY_LINE,
  ]),
});

/** The fields of a block without its empty line. */
export function fieldsOf(block: Buffer): Field[] {
  const fields: Field[] = [];
  for (let from = 0; from < block.length; ) {
    let end = lineEnd(block, from);
    // RFC 5322 §2.2.3: lines that begin with white space belong to the field.
    while (block[end] === 0x20 || block[end] === 0x09) end = lineEnd(block, end);
    const octets = block.subarray(from, end);
    const name = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/.exec(octets.toString('latin1', 0, 1000))?.[1] ?? '';
    fields.push({ name: name.toLowerCase(), octets });
    from = end;
  }
  return fields;
}

function lineEnd(block: Buffer, from: number): number {
  const at = block.indexOf('\r\n', from, 'latin1');
  return at < 0 ? block.length : at + 2;
}
