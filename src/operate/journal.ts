/**
 * The trace journal: every log line that speaks of a mail, kept by day in `SPOOL/trace/`, so that
 * `restante trace` can tell what happened to it long after the log is gone. Beside it, in files of their own, what was
 * refused before it was a mail: that is told by address.
 *
 * Promises: writing costs the mail's way a push onto a list; the memory is bounded, and so is the
 * number of days. It never throws at the one who logs: lines that cannot be written are counted and
 * told. A kill may cost the lines of the last tenth of a second; what was promised to peers stands in
 * the spool, not here.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Clock, DAY, type Instant, MINUTE, type Timer } from '../base/clock.ts';
import { Gathered } from '../base/gathered.ts';

const FLUSH_AFTER = 100;
const FLUSH_OCTETS = 256 * 1024;
const MOST_PENDING = 8 * 1024 * 1024;

/** What is kept: in which files, for how many days, and octets of a day, beyond which nothing more of that day is. */
export interface Kind {
  readonly suffix: string;
  readonly days: number;
  readonly most: number;
}
export const LIVES: Kind = { suffix: '.jsonl', days: 60, most: Number.POSITIVE_INFINITY };
/** Strangers decide how many these are. */
export const REFUSALS: Kind = { suffix: '.refused.jsonl', days: 14, most: 64 * 1024 * 1024 };

const dayOf = (at: Instant): string => new Date(at).toISOString().slice(0, 10);
const isOf = (kind: Kind, name: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(name.slice(0, 10)) && name.slice(10) === kind.suffix;
export const traceFolder = (spool: string): string => join(spool, 'trace');

export class Journal {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #onTrouble: (why: string, lost: number) => void;
  readonly #kind: Kind;
  /** Octets of today's file. */
  #size = 0;
  readonly #pending = new Gathered();
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #day = '';
  #lost = 0;
  #told = Number.NEGATIVE_INFINITY;

  constructor(
    spool: string,
    clock: Clock,
    onTrouble: (why: string, lost: number) => void = () => {},
    kind: Kind = LIVES,
  ) {
    this.#kind = kind;
    this.#folder = traceFolder(spool);
    this.#clock = clock;
    this.#onTrouble = onTrouble;
  }

  /** A JSON line, with its line end. */
  write(line: string): void {
    if (this.#pending.length + line.length > MOST_PENDING) {
      this.#lose(1, 'the journal is written faster than the disk takes it');
      return;
    }
    this.#pending.add(line);
    if (this.#pending.length >= FLUSH_OCTETS) void this.flush();
    else this.#timer ??= this.#clock.after(FLUSH_AFTER, () => void this.flush());
  }

  /** Resolves when all that was written before is with the operating system. Never rejects. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#writing) await this.#writing;
    if (this.#pending.length === 0) return;
    this.#writing = this.#append();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file?.close();
    this.#file = undefined;
  }

  async #append(): Promise<void> {
    const lines = this.#pending.texts;
    const text = this.#pending.take();
    try {
      const file = await this.#today();
      if (this.#size >= this.#kind.most) return;
      await file.writeFile(text);
      this.#size += text.length;
    } catch (error) {
      this.#lose(lines, error instanceof Error ? error.message : String(error));
      this.#day = ''; // opened anew: the folder may have gone
    } finally {
      this.#writing = undefined;
    }
  }

  async #today(): Promise<FileHandle> {
    const day = dayOf(this.#clock.now());
    if (this.#file && day === this.#day) return this.#file;
    await this.#file?.close();
    this.#file = undefined;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const { suffix, days } = this.#kind;
    this.#file = await open(join(this.#folder, `${day}${suffix}`), 'a', 0o600);
    this.#size = (await this.#file.stat()).size;
    this.#day = day;
    const oldest = dayOf(this.#clock.now() - days * DAY);
    for (const name of await readdir(this.#folder)) {
      if (isOf(this.#kind, name) && name.slice(0, 10) < oldest) await unlink(join(this.#folder, name));
    }
    return this.#file;
  }

  #lose(lines: number, why: string): void {
    this.#lost += lines;
    if (this.#clock.monotonic() - this.#told < MINUTE) return;
    this.#told = this.#clock.monotonic();
    this.#onTrouble(why, this.#lost);
  }
}

/** The mail that an entry is of. */
export const mailOf = (id: string): string => id.replace(/\.\d+$/, '');

/** A line of a mail's life. */
export interface TraceLine {
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** With which a mail's life begins: days before it are not read. (A notice has no such line.) */
const BIRTHS = ['mail accepted', 'mail passed on'];
const MOST_LINES = 10_000;

/**
 * The life of a mail, in order of time; of an entry's id, the mail it belongs to. Reads the days
 * backwards until its beginning is found, a piece of a file at a time.
 */
export async function readTrace(spool: string, id: string): Promise<TraceLine[]> {
  const mail = mailOf(id.toLowerCase());
  const days = await filesOf(spool, LIVES);
  let life: TraceLine[] = [];
  while (days.length > 0 && life.length < MOST_LINES) {
    const lines = await readDay(days.pop() ?? '', mail);
    life = [...lines, ...life];
    if (lines.some((line) => BIRTHS.includes(line.event))) break;
  }
  return life.slice(-MOST_LINES);
}

const MOST_REFUSALS = 200;

/** What was refused to this sender, or for this recipient, in order of time: the latest. */
export async function readRefusals(spool: string, address: string): Promise<TraceLine[]> {
  const wanted = address.toLowerCase();
  const written = JSON.stringify(wanted).slice(1, -1);
  const found: TraceLine[] = [];
  for (const path of await filesOf(spool, REFUSALS)) {
    for await (const text of createInterface({ input: createReadStream(path) })) {
      const line = text.toLowerCase().includes(written) ? parse(text) : null;
      const both = [line?.sender, line?.recipient].map((one) => String(one).toLowerCase());
      if (line && both.includes(wanted)) found.push(line);
      if (found.length > MOST_REFUSALS) found.shift();
    }
  }
  return found;
}

/** Their paths, the oldest first. */
async function filesOf(spool: string, kind: Kind): Promise<string[]> {
  const folder = traceFolder(spool);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const days = names.filter((name) => isOf(kind, name)).sort();
  return days.map((name) => join(folder, name));
}

async function readDay(path: string, mail: string): Promise<TraceLine[]> {
  const needle = Buffer.from(`"mail":${JSON.stringify(mail)}`);
  const found: TraceLine[] = [];
  let rest: Buffer = Buffer.alloc(0);
  const take = (lines: Buffer) => {
    for (let hit = lines.indexOf(needle); hit >= 0; ) {
      const start = lines.lastIndexOf(10, hit) + 1;
      const newline = lines.indexOf(10, hit);
      const end = newline < 0 ? lines.length : newline;
      const line = parse(lines.toString('utf8', start, end));
      if (line) found.push(line);
      hit = lines.indexOf(needle, end);
    }
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    const lines = rest.length > 0 ? Buffer.concat([rest, chunk]) : (chunk as Buffer);
    const whole = lines.lastIndexOf(10) + 1;
    take(lines.subarray(0, whole));
    rest = lines.subarray(whole);
  }
  take(rest); // torn by a kill, perhaps: then it does not parse
  return found;
}

function parse(text: string): TraceLine | null {
  try {
    return JSON.parse(text) as TraceLine;
  } catch {
    return null;
  }
}
