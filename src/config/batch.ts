/**
 * `batch` and `send` of a site: the short forms for UUCP and NNCP become the command line that they stand
 * for, and what contradicts itself is found.
 */
import type { Batch, Collect, Neighbour, Send, Site } from '../site/site.ts';
import type { Finding } from './load.ts';
import type { WrittenSite } from './schema.ts';

type Written = NonNullable<WrittenSite['batch']>;
type Say = (text: string, ...path: PropertyKey[]) => void;

export interface Ways {
  readonly collect: Site['collect'];
  readonly neighbour?: Neighbour;
  readonly send?: Send;
}

/** `path`: makes a path absolute. */
export function buildWays(
  name: string,
  site: WrittenSite,
  path: (path: string) => string,
  found: Finding[],
): Ways {
  const say: Say = (text, ...at) => found.push({ path: ['sites', name, ...at], text });
  const { batch } = site;
  const built = batch && buildBatch(batch, path, say);
  if (site.collect === 'batch' && !batch) {
    say('needs the command: a key batch, such as { uucp: leaf } or { nncp: leaf }', 'collect');
  }
  const neighbour = batch && neighbourOf(batch);
  const send = sendOf(site);
  return {
    collect: collectOf(site, built),
    ...(neighbour && { neighbour }),
    ...(send && { send }),
  };
}

function collectOf({ collect, mailbox }: WrittenSite, batch: Batch | undefined): Collect {
  switch (collect) {
    case 'push':
    case 'etrn':
    case 'odmr':
      return { kind: collect };
    case 'mailbox':
      return { kind: collect, copies: mailbox?.copies ?? 'one', field: mailbox?.field ?? 'X-Envelope-To' };
    case 'batch':
      // Without a command there is no configuration, and the finding says so.
      return batch ? { kind: collect, batch } : { kind: 'push' };
    default:
      return collect satisfies never;
  }
}

function buildBatch(batch: Written, path: (path: string) => string, say: Say): Batch {
  const { uucp, nncp, command, form } = batch;
  const config = batch.config === undefined ? undefined : path(batch.config);
  const given = [uucp, nncp, command].filter((way) => way !== undefined).length;
  if (given !== 1 && !(given === 0 && batch.from)) say('needs one of uucp, nncp and command', 'batch');
  if (command && config !== undefined)
    say('goes with uucp or nncp; here it is a word of the command', 'batch', 'config');
  const compress = batch.compress ?? (uucp !== undefined && form === 'bsmtp' ? 'gzip' : 'none');
  if (form === 'rmail' && compress !== 'none') {
    say('is for batches: rmail takes mail as it is; use "form: bsmtp"', 'batch', 'compress');
  }
  if (command) checkWords(command, form, say);
  const remote = form === 'rmail' ? 'rmail' : compress === 'none' ? 'rsmtp' : 'rcsmtp';
  const { size, count, every, timeout } = batch;
  return {
    form,
    compress,
    size,
    count,
    every,
    timeout,
    // Behind uux there is uuxqt, which may use a shell; nncp-toss uses none. Of others we know nothing.
    words: nncp === undefined ? 'shell' : 'exact',
    command:
      command ??
      (uucp === undefined ? nncpExec(nncp ?? '', remote, form, config) : uux(uucp, remote, form, config)),
  };
}

/** -r: the site's call, or ours, is another's business. -n: no mail from uuxqt about each job. */
const uux = (system: string, remote: string, form: Batch['form'], config?: string): string[] => [
  'uux',
  ...(config === undefined ? [] : ['-I', config]),
  '-p',
  '-r',
  '-n',
  `${system}!${remote}`,
  ...(form === 'rmail' ? ['({recipients})'] : []),
];

const nncpExec = (node: string, remote: string, form: Batch['form'], config?: string): string[] => [
  'nncp-exec',
  ...(config === undefined ? [] : ['-cfg', config]),
  '-quiet',
  node,
  remote,
  ...(form === 'rmail' ? ['{recipients}'] : []),
];

const PLACES = ['{recipients}', '{sender}', '{site}', '{file}'];

function checkWords(command: readonly string[], form: Batch['form'], say: Say): void {
  command.forEach((word, i) => {
    const at = ['batch', 'command', i] as const;
    for (const [place] of word.matchAll(/\{[a-z]*\}/gi)) {
      if (!PLACES.includes(place)) say(`${place} is not known: ${PLACES.join(', ')} can stand here`, ...at);
      else if (form === 'bsmtp' && (place === '{recipients}' || place === '{sender}')) {
        say(`a batch has many: ${place} is for "form: rmail"`, ...at);
      }
    }
  });
  if (PLACES.some((place) => command[0]?.includes(place)))
    say('the program itself is fixed', 'batch', 'command', 0);
  if (form === 'rmail' && !command.some((word) => word.includes('{recipients}'))) {
    say('says nowhere who gets the mail: put "{recipients}" where they belong', 'batch', 'command');
  }
}

function neighbourOf({ uucp, nncp, from }: Written): Neighbour | undefined {
  const named = from ?? { ...(uucp !== undefined && { uucp }), ...(nncp !== undefined && { nncp }) };
  if ('uucp' in named && named.uucp !== undefined) return { by: 'uucp', name: named.uucp };
  if ('nncp' in named && named.nncp !== undefined) return { by: 'nncp', name: named.nncp };
  return undefined;
}

function sendOf({ send, domains }: WrittenSite): Send | undefined {
  if (!send) return undefined;
  return { domains: send.domains ?? domains, to: send.to, networks: send.from };
}

/** A neighbour belongs to one site: who gives the mail says whose it is. */
export function checkNeighbours(sites: readonly Site[], found: Finding[]): void {
  const owner = new Map<string, string>();
  for (const { name, neighbour } of sites) {
    if (!neighbour) continue;
    const key = `${neighbour.by} ${neighbour.name.toLowerCase()}`;
    const other = owner.get(key);
    if (other === undefined) owner.set(key, name);
    else {
      const text = `${neighbour.by} ${neighbour.name} brings the mail of the site "${other}" already`;
      found.push({ path: ['sites', name, 'batch'], text });
    }
  }
}
