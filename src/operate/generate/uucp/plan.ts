/**
 * What `generate uucp` makes, decided: two ends of one line, each with its own name, folders and duties. All texts are
 * made from this value. What the user said is checked here, since names and paths stand in files of several languages.
 */
import { isPlainPath, type Unusable, unusable } from '../bundle.ts';
import { isMta, MTAS, type Mta } from '../far/outbound.ts';

export type Over = 'tcp' | 'ssh' | 'pipe';

/** What the user may say, as strings of the command line. */
export interface UucpWishes {
  readonly over?: string;
  readonly farName?: string;
  readonly nearName?: string;
  readonly farMta?: string;
  /** Where the far end reaches us. */
  readonly address?: string;
  /** Where we answer, if that is another address or port. */
  readonly listen?: string;
  /** Where we reach the far end; without it only the far end calls. */
  readonly farAddress?: string;
  readonly prefix?: string;
  readonly farPrefix?: string;
  readonly user?: string;
  readonly every?: string;
  readonly uucico?: string;
  readonly sendmail?: string;
  readonly restante?: string;
}

export interface Where {
  readonly host: string;
  readonly port: number;
}

/** One end of the line. */
export interface End {
  readonly side: 'near' | 'far';
  /** Its name in UUCP. */
  readonly name: string;
  readonly folders: Folders;
  /** How it is reached by the other; absent: it is not called. */
  readonly reached?: Where;
  /** What the other logs in with when it calls this end. */
  readonly login: { readonly name: string; readonly password: string };
  /** Over ssh: what it calls the other with; absent: it does not call. */
  readonly key?: SshKey;
}

export interface SshKey {
  readonly secret: string;
  readonly public: string;
}

export interface Folders {
  readonly prefix: string;
  /** All is below the prefix, and programs have to be told by `-I`. */
  readonly own: boolean;
  readonly spool: string;
  readonly log: string;
  readonly public: string;
  /** For batches that are being taken apart. */
  readonly state: string;
  /** Where our server's socket for rmail and rsmtp is: a folder of its own, since its group may open it. */
  readonly door: string;
}

export interface Plan {
  readonly site: string;
  readonly domains: readonly string[];
  readonly over: Over;
  readonly near: End;
  readonly far: End;
  readonly mtas: readonly Mta[];
  readonly listen: Where;
  /** The account of UUCP. */
  readonly user: string;
  readonly minutes: number;
  readonly uucico: string;
  /** The far end's command that takes mail. */
  readonly sendmail: string;
  readonly restante: string;
  readonly config: string;
}

/** What the configuration and the program say. */
export interface Given {
  readonly site: string;
  readonly domains: readonly string[];
  readonly hostname: string;
  readonly config: string;
  readonly restante: string;
  readonly password: () => string;
  readonly key: (comment: string) => SshKey;
}

const USUAL = '/etc/uucp';
/** For UUCP and NNCP alike: the server has one such socket. */
export const DOOR = '/var/lib/restante-door';
// Job files are named by it. Taylor UUCP takes any length, older ones look at seven letters.
export const NAME = /^[a-z0-9][a-z0-9-]{0,13}$/;
const PORTS: Record<Over, number> = { tcp: 540, ssh: 22, pipe: 0 };

export function makePlan(given: Given, wishes: UucpWishes): ({ readonly kind: 'ok' } & Plan) | Unusable {
  const over = wishes.over ?? 'tcp';
  if (!isOver(over)) return unusable(`--over ${over}: tcp, ssh or pipe can stand here`);
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
    if (!NAME.test(name)) {
      return unusable(`${option} ${name}: a UUCP name is 1 to 14 of a-z, 0-9 and "-", such as "leaf"`);
    }
  }
  if (farName === nearName)
    return unusable(`both ends are called ${farName}: name one by --far-name or --near-name`);
  const prefix = wishes.prefix ?? USUAL;
  const farPrefix = wishes.farPrefix ?? (over === 'pipe' ? `${prefix}-${farName}` : prefix);
  const uucico = wishes.uucico ?? '/usr/sbin/uucico';
  const sendmail = wishes.sendmail ?? '/usr/sbin/sendmail';
  const restante = wishes.restante ?? given.restante;
  for (const [option, path] of [
    ['--prefix', prefix],
    ['--far-prefix', farPrefix],
    ['--uucico', uucico],
    ['--sendmail', sendmail],
    ['--restante', restante],
    ['-c', given.config],
  ] as const) {
    if (!isPlainPath(path)) return unusable(`${option} ${path}: an absolute path of plain letters is needed`);
  }
  if (over === 'pipe' && farPrefix === prefix) {
    return unusable(
      'over a pipe both ends are on one machine: --far-prefix names another folder for the far end',
    );
  }
  const user = wishes.user ?? 'uucp';
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user)) return unusable(`--user ${user}: is no name of an account`);
  const minutes = minutesOf(wishes.every ?? '15m');
  if (minutes === null) return unusable(`--every ${wishes.every}: minutes or hours, such as 15m or 2h`);
  const address = whereOf(wishes.address ?? given.hostname, PORTS[over]);
  const listen = wishes.listen === undefined ? undefined : whereOf(wishes.listen, PORTS[over]);
  const farAddress = wishes.farAddress === undefined ? undefined : whereOf(wishes.farAddress, PORTS[over]);
  if (address === null) return unusable(`--address ${wishes.address}: a host[:port] is needed`);
  if (listen === null) return unusable(`--listen ${wishes.listen}: an address:port is needed`);
  if (farAddress === null) return unusable(`--far-address ${wishes.farAddress}: a host[:port] is needed`);
  if (farAddress !== undefined && over === 'pipe') {
    return unusable('--far-address: over a pipe only the far end calls');
  }
  const keyOf = (name: string) => (over === 'ssh' ? { key: given.key(`uucp ${name}`) } : {});
  return {
    kind: 'ok',
    site: given.site,
    domains: given.domains,
    over,
    near: {
      side: 'near',
      name: nearName,
      folders: foldersOf(prefix),
      reached: address,
      login: { name: `U${farName}`, password: given.password() },
      ...(farAddress && keyOf(nearName)),
    },
    far: {
      side: 'far',
      name: farName,
      folders: foldersOf(farPrefix),
      ...(farAddress === undefined ? {} : { reached: farAddress }),
      login: { name: `U${nearName}`, password: given.password() },
      ...keyOf(farName),
    },
    mtas: mta === undefined ? MTAS : mta === 'none' ? [] : [mta],
    listen: listen ?? { host: '::', port: address.port },
    user,
    minutes,
    uucico,
    sendmail,
    restante,
    config: given.config,
  };
}

const isOver = (word: string): word is Over => word in PORTS;

export const nameFrom = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 14);

function foldersOf(prefix: string): Folders {
  if (prefix === USUAL) {
    return {
      prefix,
      own: false,
      spool: '/var/spool/uucp',
      log: '/var/log/uucp',
      public: '/var/spool/uucppublic',
      state: '/var/spool/uucp/.restante',
      door: DOOR,
    };
  }
  const below = (name: string) => `${prefix}/${name}`;
  return {
    prefix,
    own: true,
    spool: below('spool'),
    log: below('log'),
    public: below('public'),
    state: below('state'),
    door: below('door'),
  };
}

export function whereOf(text: string, usual: number): Where | null {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  if (host === undefined || host.startsWith('-')) return null;
  const port = found?.[3] === undefined ? usual : Number(found[3]);
  return port > 65535 ? null : { host, port };
}

export function minutesOf(text: string): number | null {
  const found = /^(\d{1,3})([mh])$/.exec(text);
  if (!found) return null;
  const minutes = Number(found[1]) * (found[2] === 'h' ? 60 : 1);
  return minutes >= 1 && minutes <= 24 * 60 ? minutes : null;
}

/** Programs of UUCP have to be told where the configuration is, if that is not the usual place. */
export const tell = (end: End): string => (end.folders.own ? ` -I ${end.folders.prefix}/config` : '');

/** Ends that this one calls. */
export const calls = (plan: Plan, end: End): boolean => other(plan, end).reached !== undefined;
export const other = (plan: Plan, end: End): End => (end.side === 'near' ? plan.far : plan.near);
/** Somebody calls it. */
export const answers = (plan: Plan, end: End): boolean => calls(plan, other(plan, end));
