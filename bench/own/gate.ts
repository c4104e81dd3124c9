/**
 * What each part of the gate costs: Restante without any, with the ordinary one, with more; and Postfix as it is, all in
 * turn. Signed mail, 4 KB and its signatures, nothing listens at the next hop. Our log tells how many mails were really
 * looked at.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, type Giving, measure, type Sample } from '../bench.ts';
import { hold } from '../compared/hold.ts';
import { Filter } from '../filter.ts';
import type { Load } from '../load.ts';
import { ofManySigned } from '../many.ts';
import { BLOCKLISTS } from '../names.ts';
import { postfix } from '../postfix.ts';
import { number, spread, spreadText } from '../report.ts';
import { ONE_SITE, restante } from '../restante.ts';
import { seenText } from '../seen.ts';
import { FRESH } from '../senders.ts';
import { RESTANTE_PORT, type Server } from '../server.ts';
import { giveOwn } from './give.ts';
import type { OwnRow } from './rows.ts';

/** By title: the lines of the configuration. */
const textsOf = ({ folder, shm }: Bench) => ({
  'no look at who sends': 'authentication: { spf: false }\n',
  'SPF, the ordinary gate': '',
  'SPF, three blocklists': BLOCKLISTS,
  'SPF, DKIM': 'authentication: { dkim: true }\n',
  'SPF, DKIM, DMARC': 'authentication: { dmarc: obey }\n',
  'SPF, DKIM, DMARC, ARC': 'authentication: { dmarc: obey, arc: true }\n',
  'SPF, DKIM, DMARC, ARC and our seal': `authentication: { dmarc: obey, arc: { seal: { domain: mx2.bench.test, selector: s1, key: ${sealKey(folder)} } } }\n`,
  'SPF, OpenDKIM as milter': `milters: ["unix:${Filter.socket(shm)}"]\n`,
});
const sealKey = (folder: string): string => join(folder, 'seal.pem');
type Title = keyof ReturnType<typeof textsOf>;
const BARE = 'no look at who sends';
const ORDINARY = 'SPF, the ordinary gate';

/** Each mail from a client and a domain that were never seen before. */
const ofStrangers: Giving = (bench, port, count, { size, sessions }) =>
  giveOwn(bench, {
    port,
    count,
    sessions,
    size,
    domains: ONE_SITE.map((site) => site.domain),
    tls: false,
    reused: false,
    strangers: FRESH,
  });

async function inTurn(bench: Bench, titles: readonly Title[], load: Load, giving: Giving) {
  writeFileSync(sealKey(bench.folder), bench.senders.key);
  const texts = textsOf(bench);
  const servers: Server[] = titles.map((title) =>
    restante(join(bench.folder, `gate-${title.replace(/\W+/g, '-')}`), RESTANTE_PORT, ONE_SITE, {
      title,
      text: texts[title],
    }),
  );
  servers.push(postfix(join(bench.folder, 'postfix')));
  const all = servers.map((server) => ({ server, samples: [] as Sample[] }));
  for (let round = 0; round < bench.rounds; round++) {
    for (const { server, samples } of all) {
      const sample = await measure(bench, hold(load, 'gate', giving), server, false);
      samples.push(sample);
      console.error(`${server.name} ${round + 1}/${bench.rounds}: ${number(sample.cpu ?? Number.NaN)} µs`);
    }
  }
  return all;
}

function lineOf(server: Server, samples: readonly Sample[]) {
  const of = (key: 'cpu' | 'source' | 'sink') => samples.map((s) => s[key] ?? Number.NaN);
  const rate = spreadText(samples.map((s) => s.values.rate ?? Number.NaN));
  const others = `others ${number(spread(of('sink')).median)}, the source ${number(spread(of('source')).median)}`;
  const seen = samples.at(-1)?.seen;
  return {
    what: server.name,
    text:
      `CPU ${spreadText(of('cpu'))} µs a mail (${others}), ${rate} mails/s` +
      (seen ? `; in the last round ${seenText(seen)}` : ''),
  };
}

const row = (name: string, reused: boolean, titles: readonly Title[], giving = ofManySigned): OwnRow => ({
  name: `gate-${name}-${reused ? 'reused' : 'new'}`,
  long: false,
  async run(bench) {
    const filter = titles.some((title) => title.includes('milter')) && (await Filter.start(bench));
    const all = await inTurn(bench, titles, { size: 4096, sessions: 20, reused }, giving);
    if (filter) await filter.stop();
    return all.map(({ server, samples }) => lineOf(server, samples));
  },
});

const both = (name: string, titles: readonly Title[]): OwnRow[] => [
  row(name, true, titles),
  row(name, false, titles),
];

export const GATES: readonly OwnRow[] = [
  ...both('spf', [BARE, ORDINARY, 'SPF, three blocklists']),
  row('strangers', false, [BARE, ORDINARY, 'SPF, three blocklists'], ofStrangers),
  ...both('dkim', [ORDINARY, 'SPF, DKIM', 'SPF, DKIM, DMARC']),
  ...both('arc', [ORDINARY, 'SPF, DKIM, DMARC, ARC', 'SPF, DKIM, DMARC, ARC and our seal']),
  ...both('milter', [ORDINARY, 'SPF, OpenDKIM as milter']),
];
