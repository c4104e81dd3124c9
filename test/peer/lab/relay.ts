/**
 * The steps that the peer tests share: give a corpus to a sending MTA, see what the backup answered
 * 250, and examine what the primary has in the end.
 */
import assert from 'node:assert/strict';
import { type Lab, ROOT, until } from '../lab.ts';
import { type Audit, arrivedKeys, audit, maildirFiles } from './audit.ts';
import { type CorpusSpec, corpusMail } from './corpus.ts';
import type { Injected } from './inject.ts';
import type { Mta, Sent } from './mta.ts';

const BACKUP = /backup|192\.0\.2\.20|2001:db8:25::20/;

/** Queue id of the sending MTA → number in the corpus. */
export type Numbers = ReadonlyMap<string, number>;

export function injectCommand(
  spec: CorpusSpec,
  connections: number,
  host = '127.0.0.1',
  pause = 0,
): string[] {
  const words = [JSON.stringify(spec), host, '25', String(connections), String(pause)];
  return [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    `${ROOT}/test/peer/lab/inject.ts`,
    ...words,
  ];
}

export const jsonLines = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

/** All mails of the corpus into the sending MTA's own queue. */
export async function inject(lab: Lab, spec: CorpusSpec, sender: Mta): Promise<Numbers> {
  const lines = jsonLines<Injected>(await lab.must(sender.host, injectCommand(spec, 5), 180));
  assert.equal(lines.length, spec.count, 'every mail was taken by the sending MTA');
  return new Map(
    lines.map((line) => {
      assert.equal(line.code, 250, line.reply);
      return [sender.queueId(line.reply), line.number];
    }),
  );
}

/** What the backup answered 250, as the sending MTA's log has it. */
export const takenByBackup = (lab: Lab, sender: Mta): Sent[] =>
  sender.sent(lab).filter((s) => BACKUP.test(s.relay));

/** "number recipient" for all of the corpus. */
export function expected(spec: CorpusSpec): Set<string> {
  const keys = new Set<string>();
  for (let n = 0; n < spec.count; n++) {
    for (const to of corpusMail({ ...spec, size: [0, 0], first: 0 }, n).recipients) keys.add(`${n} ${to}`);
  }
  return keys;
}

export async function untilTaken(lab: Lab, sender: Mta, count: number, seconds: number): Promise<void> {
  await until(
    `${count} recipients answered 250 by the backup`,
    seconds,
    () => takenByBackup(lab, sender).length >= count,
  );
}

/** At least `count` different recipients of the corpus have their mail. */
export async function untilArrived(lab: Lab, primary: Mta, count: number, seconds: number): Promise<void> {
  const known = new Map<string, string>();
  const what = `${count} recipients have their mail at ${primary.name}`;
  await until(what, seconds, () => arrivedKeys(lab, primary, known).size >= count, 50).catch(
    (fault: unknown) => {
      const found = arrivedKeys(lab, primary, known).size;
      throw new Error(`${fault instanceof Error ? fault.message : fault} (${found} have)`);
    },
  );
}

/** Every mail that was answered 250 is there, unchanged; nothing else is. */
export function examine(lab: Lab, spec: CorpusSpec, numbers: Numbers, sender: Mta, primary: Mta): Audit {
  const found = audit(lab, spec, sender, primary);
  assert.deepEqual(found.wrong.slice(0, 10), [], `${found.wrong.length} files are not what was sent`);
  const answered = takenByBackup(lab, sender).map((s) => `${numbers.get(s.queueId)} ${s.recipient}`);
  const lost = answered.filter((key) => !found.copies.has(key));
  assert.deepEqual(lost.slice(0, 10), [], `${lost.length} recipients answered 250 have no mail`);
  const all = expected(spec);
  assert.deepEqual(new Set(answered), all, 'the backup answered 250 for each recipient of the corpus');
  assert.deepEqual(
    new Set(found.copies.keys()),
    all,
    'the primary has each recipient of the corpus and no other',
  );
  return found;
}

/** The whole way in its plain form: the primary is away, the backup takes all, the primary returns. */
export async function holdAndRelay(
  lab: Lab,
  spec: CorpusSpec,
  sender: Mta,
  primary: Mta,
): Promise<{ first: number; all: number; found: Audit }> {
  const count = expected(spec).size;
  const numbers = await inject(lab, spec, sender);
  await untilTaken(lab, sender, count, 120);
  assert.equal(maildirFiles(lab, primary).length, 0, 'nothing is at the primary while it is down');
  await primary.start(lab);
  const back = Date.now();
  await untilArrived(lab, primary, 1, 70);
  const first = Date.now() - back;
  await untilArrived(lab, primary, count, 120);
  const all = Date.now() - back;
  return { first, all, found: examine(lab, spec, numbers, sender, primary) };
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
