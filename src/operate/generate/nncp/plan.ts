/** What `generate nncp` makes, decided: two nodes, their keys, their folders. */
import { isPlainPath, type Unusable, unusable } from '../bundle.ts';
import { isMta, MTAS, type Mta } from '../far/outbound.ts';
import { DOOR, minutesOf, NAME, nameFrom, type Where, whereOf } from '../uucp/plan.ts';

/** The part of a node that others may know. */
export interface PublicKeys {
  readonly id: string;
  readonly exchpub: string;
  readonly signpub: string;
  readonly noisepub: string;
}

/** What nncp-cfgnew made, or what stands in a node's nncp.hjson. */
export interface NodeKeys extends PublicKeys {
  /** Absent: the node has its configuration already, and only the neighbour is added to it. */
  readonly secret?: { readonly exchprv: string; readonly signprv: string; readonly noiseprv: string };
}

export interface NncpWishes {
  readonly farName?: string;
  readonly nearName?: string;
  readonly farMta?: string;
  readonly address?: string;
  readonly listen?: string;
  readonly prefix?: string;
  readonly farPrefix?: string;
  readonly user?: string;
  readonly every?: string;
  readonly sendmail?: string;
  readonly restante?: string;
}

export interface NncpGiven {
  readonly site: string;
  readonly domains: readonly string[];
  readonly hostname: string;
  readonly config: string;
  readonly restante: string;
  readonly keys: { readonly near: NodeKeys; readonly far: NodeKeys };
}

export interface NncpEnd {
  readonly side: 'near' | 'far';
  readonly name: string;
  readonly keys: NodeKeys;
  readonly prefix: string;
  /** All is below the prefix. */
  readonly own: boolean;
  readonly spool: string;
  readonly state: string;
  readonly door: string;
}

export interface NncpPlan {
  readonly site: string;
  readonly domains: readonly string[];
  readonly near: NncpEnd;
  readonly far: NncpEnd;
  readonly address: Where;
  readonly listen: Where;
  readonly user: string;
  readonly minutes: number;
  readonly mtas: readonly Mta[];
  readonly sendmail: string;
  readonly restante: string;
  readonly config: string;
}

const USUAL = '/etc/nncp';
const PORT = 5400;

export function makeNncpPlan(
  given: NncpGiven,
  wishes: NncpWishes,
): ({ readonly kind: 'ok' } & NncpPlan) | Unusable {
  const mta = wishes.farMta;
  if (mta !== undefined && mta !== 'none' && !isMta(mta)) {
    return unusable(`--far-mta ${mta}: postfix, exim, opensmtpd or none can stand here`);
  }
  const farName = wishes.farName ?? nameFrom(given.site);
  const nearName = wishes.nearName ?? nameFrom(given.hostname.split('.')[0] ?? '');
  for (const [option, name] of [
    ['--far-name', farName],
    ['--near-name', nearName],
  ] as const) {
    if (!NAME.test(name)) return unusable(`${option} ${name}: 1 to 14 of a-z, 0-9 and "-", such as "leaf"`);
  }
  if (farName === nearName) {
    return unusable(`both ends are called ${farName}: name one by --far-name or --near-name`);
  }
  const prefix = wishes.prefix ?? USUAL;
  const farPrefix = wishes.farPrefix ?? prefix;
  const sendmail = wishes.sendmail ?? '/usr/sbin/sendmail';
  const restante = wishes.restante ?? given.restante;
  for (const [option, path] of [
    ['--prefix', prefix],
    ['--far-prefix', farPrefix],
    ['--sendmail', sendmail],
    ['--restante', restante],
    ['-c', given.config],
  ] as const) {
    if (!isPlainPath(path)) return unusable(`${option} ${path}: an absolute path of plain letters is needed`);
  }
  const user = wishes.user ?? 'nncp';
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user)) return unusable(`--user ${user}: is no name of an account`);
  const minutes = minutesOf(wishes.every ?? '15m');
  if (minutes === null) return unusable(`--every ${wishes.every}: minutes or hours, such as 15m or 2h`);
  const address = whereOf(wishes.address ?? given.hostname, PORT);
  if (address === null) return unusable(`--address ${wishes.address}: a host[:port] is needed`);
  const listen =
    wishes.listen === undefined ? { host: '::', port: address.port } : whereOf(wishes.listen, PORT);
  if (listen === null) return unusable(`--listen ${wishes.listen}: an address:port is needed`);
  const { site, domains, config, keys } = given;
  return {
    kind: 'ok',
    site,
    domains,
    near: { side: 'near', name: nearName, keys: keys.near, ...foldersOf(prefix) },
    far: { side: 'far', name: farName, keys: keys.far, ...foldersOf(farPrefix) },
    address,
    listen,
    user,
    minutes,
    mtas: mta === undefined ? MTAS : mta === 'none' ? [] : [mta],
    sendmail,
    restante,
    config,
  };
}

function foldersOf(prefix: string) {
  if (prefix !== USUAL) {
    return { prefix, own: true, spool: `${prefix}/spool`, state: `${prefix}/state`, door: `${prefix}/door` };
  }
  return { prefix, own: false, spool: '/var/spool/nncp', state: '/var/lib/restante-nncp', door: DOOR };
}

export const configOf = (end: NncpEnd): string => `${end.prefix}/nncp.hjson`;
export const peerOf = (plan: NncpPlan, end: NncpEnd): NncpEnd => (end.side === 'near' ? plan.far : plan.near);

const KEYS = ['id', 'exchpub', 'signpub', 'noisepub', 'exchprv', 'signprv', 'noiseprv'] as const;

/**
 * The node's own keys in a text of nncp-cfgnew, or in an nncp.hjson. A node may
 * send its `self` without the private ones. Null: there are none.
 */
export function readKeys(text: string): NodeKeys | null {
  const self = /(?:^|[\s{,])"?self"?\s*:\s*\{([^}]*)\}/.exec(text)?.[1] ?? '';
  const found = new Map<string, string>();
  for (const [, name = '', value = ''] of self.matchAll(
    /^\s*"?([a-z]+)"?\s*:\s*"?([A-Z2-7]{52,})"?,?\s*$/gm,
  )) {
    found.set(name, value);
  }
  const [id, exchpub, signpub, noisepub, exchprv, signprv, noiseprv] = KEYS.map((name) => found.get(name));
  if (!id || !exchpub || !signpub || !noisepub) return null;
  const open = { id, exchpub, signpub, noisepub };
  return exchprv && signprv && noiseprv ? { ...open, secret: { exchprv, signprv, noiseprv } } : open;
}
