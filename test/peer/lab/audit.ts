/**
 * Compares what lies in a primary's Maildir with the corpus, mail by mail and octet by octet. Below our
 * Received field there must be exactly one field of the sending MTA (its own Received) and then the
 * content as it was injected.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { type CorpusSpec, corpusMail } from './corpus.ts';
import type { Mta } from './mta.ts';

export interface Audit {
  /** "number recipient" → the ids of our Received fields, one for each copy. */
  readonly copies: ReadonlyMap<string, readonly string[]>;
  /** What is not as it should be. */
  readonly wrong: readonly string[];
  /** Entries (mail and site) that came more than once under one id of ours, with how often: our repeats. */
  readonly ours: number;
  /** Copies too many under different ids: the sender gave it twice, as our 250 was lost (RFC 1047). */
  readonly senders: number;
}

export function maildirFiles(lab: Pick<Lab, 'share'>, primary: Mta): string[] {
  const folders = ['new', 'cur'].map((f) => join(lab.share, primary.maildir, f));
  return folders.filter((f) => existsSync(f)).flatMap((f) => readdirSync(f).map((name) => join(f, name)));
}

/** "number recipient" of all that has arrived, from the heads of the files: quick, and no proof of anything. */
export function arrivedKeys(lab: Pick<Lab, 'share'>, primary: Mta, known: Map<string, string>): Set<string> {
  for (const path of maildirFiles(lab, primary)) {
    if (known.has(path)) continue;
    const file = openSync(path, 'r');
    const head = Buffer.alloc(8192);
    const text = head.toString('latin1', 0, readSync(file, head));
    closeSync(file);
    known.set(path, `${MESSAGE_ID.exec(text)?.[2]} ${RECIPIENT.exec(text)?.[1]}`);
  }
  return new Set(known.values());
}

/** End of the header field that begins at `from`; Maildir files end lines by LF. */
function fieldEnd(file: Buffer, from: number): number {
  for (let at = file.indexOf(0x0a, from); at >= 0; at = file.indexOf(0x0a, at + 1)) {
    const next = file[at + 1];
    if (next !== 0x20 && next !== 0x09) return at + 1;
  }
  return file.length;
}

interface Opened {
  readonly recipient: string;
  readonly id: string;
  /** Where the sending MTA's Received field begins. */
  readonly below: number;
}

const RECIPIENT = /^(?:X-Original-To|Envelope-to|Delivered-To):\s*(\S+)/im;
const MESSAGE_ID = /^Message-ID: <([^.]+(?:\.[^.@]+)*)\.(\d+)@lab\.test>/m;
const OURS = /^Received:.*\sby\s+backup\.example\.test\s.*\sid\s+([^\s;]+)/is;

/** Goes through the fields on top until ours. */
function open(file: Buffer): Opened | string {
  let recipient = '';
  for (let at = 0; at < file.length; ) {
    const end = fieldEnd(file, at);
    const field = file.toString('latin1', at, end);
    if (/^\r?\n/.test(field)) break;
    recipient ||= RECIPIENT.exec(field)?.[1] ?? '';
    const id = OURS.exec(field)?.[1];
    if (id) return recipient ? { recipient, id, below: end } : 'no recipient above our Received field';
    at = end;
  }
  return 'no Received field of ours';
}

/** `sender` null: it came to us straight from `inject.ts`. */
export function audit(lab: Pick<Lab, 'share'>, spec: CorpusSpec, sender: Mta | null, primary: Mta): Audit {
  const copies = new Map<string, string[]>();
  const wrong: string[] = [];
  for (const path of maildirFiles(lab, primary)) {
    const file = readFileSync(path);
    const top = open(file);
    if (typeof top === 'string') {
      wrong.push(`${path}: ${top}`);
      continue;
    }
    const theirs = sender ? fieldEnd(file, top.below) : top.below;
    const field = file.toString('latin1', top.below, theirs);
    if (sender && (!field.startsWith('Received:') || !field.includes(`by ${sender.name}`))) {
      wrong.push(`${path}: below our Received field comes ${field.slice(0, 200)}`);
    }
    const number = MESSAGE_ID.exec(file.toString('latin1', theirs, theirs + 20_000));
    if (number?.[1] !== spec.name) {
      wrong.push(`${path}: not of this corpus`);
      continue;
    }
    const difference = differs(file.subarray(theirs), spec, Number(number[2]), primary.folds);
    if (difference) wrong.push(`${path}: mail ${number[2]}: ${difference}`);
    const key = `${number[2]} ${top.recipient}`;
    copies.set(key, [...(copies.get(key) ?? []), top.id]);
  }
  const senders = [...copies.values()].reduce((sum, ids) => sum + new Set(ids).size - 1, 0);
  return { copies, wrong, ours: repeatsOfOurs(copies), senders };
}

/** All recipients of an entry are repeated together: they count once. */
function repeatsOfOurs(copies: ReadonlyMap<string, readonly string[]>): number {
  const entries = new Map<string, number>();
  for (const [key, ids] of copies) {
    const site = key.slice(key.lastIndexOf('@'));
    for (const id of new Set(ids)) {
      const more = ids.filter((one) => one === id).length - 1;
      entries.set(`${id} ${site}`, Math.max(more, entries.get(`${id} ${site}`) ?? 0));
    }
  }
  return [...entries.values()].reduce((sum, more) => sum + more, 0);
}

/** Undefined: the same octets, line ends apart (a Maildir has LF where the wire has CRLF). */
function differs(file: Buffer, spec: CorpusSpec, number: number, folds = false): string | undefined {
  const flat = (all: Buffer): Buffer => (folds ? unfolded(all) : all);
  const content = corpusMail(spec, number).content.toString('latin1').replaceAll('\r\n', '\n');
  const sent = flat(Buffer.from(content, 'latin1'));
  const found = flat(file);
  if (found.equals(sent)) return undefined;
  let at = 0;
  while (at < sent.length && at < found.length && sent[at] === found[at]) at++;
  const near = (b: Buffer): string => JSON.stringify(b.toString('latin1', Math.max(0, at - 20), at + 20));
  return `differs at octet ${at} of ${sent.length} (${found.length} found): sent ${near(sent)}, found ${near(found)}`;
}

/** With each field of the header on one line. */
function unfolded(file: Buffer): Buffer {
  const end = file.indexOf('\n\n');
  const header = file.toString('latin1', 0, end).replaceAll(/\n[ \t]+/g, ' ');
  return Buffer.concat([Buffer.from(header, 'latin1'), file.subarray(end)]);
}
