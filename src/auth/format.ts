/**
 * The secrets file as text: a first line with the version and the key of the decoys, then a line for each
 * name, its parts between tabs:
 *
 *   restante-secrets-1 KEY
 *   NAME scrypt$ln=15,r=8,p=1$SALT$HASH SCRAM-SHA-256$15000:SALT$StoredKey:ServerKey [sealed$OCTETS]
 *
 * Octets are in base64. Promises: what is not exactly this is `bad` and gives no secret at all; costs
 * out of bounds are bad, so that no line of it can use up memory or time.
 */
import type { ScramKeys, ScryptHash, Secret } from './secret.ts';

export interface Kept {
  readonly decoyKey: Buffer;
  /** By name. */
  readonly secrets: ReadonlyMap<string, Secret>;
}

export type Parsed =
  | { readonly kind: 'ok'; readonly kept: Kept }
  | { readonly kind: 'bad'; readonly why: string };

const VERSION = 'restante-secrets-1';
const B64 = '([A-Za-z0-9+/]+={0,2})';
const SCRYPT = new RegExp(`^scrypt\\$ln=(\\d{1,2}),r=(\\d{1,2}),p=(\\d{1,2})\\$${B64}\\$${B64}$`);
const SCRAM = new RegExp(`^SCRAM-SHA-256\\$(\\d{4,7}):${B64}\\$${B64}:${B64}$`);
const SEALED = new RegExp(`^sealed\\$${B64}$`);

export function renderSecrets({ decoyKey, secrets }: Kept): string {
  const names = [...secrets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `${[`${VERSION}\t${b64(decoyKey)}`, ...names.map(line)].join('\n')}\n`;
}

const b64 = (octets: Buffer): string => octets.toString('base64');

function line({ name, scrypt, scram, sealed }: Secret): string {
  const { ln, r, p } = scrypt;
  const parts = [
    name,
    `scrypt$ln=${ln},r=${r},p=${p}$${b64(scrypt.salt)}$${b64(scrypt.hash)}`,
    `SCRAM-SHA-256$${scram.iterations}:${b64(scram.salt)}$${b64(scram.storedKey)}:${b64(scram.serverKey)}`,
    ...(sealed ? [`sealed$${b64(sealed)}`] : []),
  ];
  return parts.join('\t');
}

export function parseSecrets(text: string): Parsed {
  const [head = '', ...lines] = text.split('\n');
  const [version, key = ''] = head.split('\t');
  if (version !== VERSION) return { kind: 'bad', why: `its first line does not begin with ${VERSION}` };
  const decoyKey = Buffer.from(key, 'base64');
  if (decoyKey.length !== 32) return { kind: 'bad', why: 'its first line has no key' };
  if (lines.pop() !== '') return { kind: 'bad', why: 'its last line has no end' };
  const secrets = new Map<string, Secret>();
  for (const [i, text] of lines.entries()) {
    const secret = parseLine(text);
    // Without the line itself: this goes into the log.
    if (!secret || secrets.has(secret.name)) return { kind: 'bad', why: `line ${i + 2} is damaged` };
    secrets.set(secret.name, secret);
  }
  return { kind: 'ok', kept: { decoyKey, secrets } };
}

function parseLine(text: string): Secret | null {
  const [name = '', first = '', second = '', third, ...more] = text.split('\t');
  const scrypt = parseScrypt(first);
  const scram = parseScram(second);
  const sealed = third === undefined ? undefined : SEALED.exec(third)?.[1];
  if (!isLoginName(name) || !scrypt || !scram || more.length > 0) return null;
  if (third !== undefined && sealed === undefined) return null;
  return { name, scrypt, scram, ...(sealed !== undefined && { sealed: Buffer.from(sealed, 'base64') }) };
}

function parseScrypt(text: string): ScryptHash | null {
  const [, ln, r, p, salt = '', hash = ''] = SCRYPT.exec(text) ?? [];
  const kept = { ln: Number(ln), r: Number(r), p: Number(p), ...{ salt: octets(salt), hash: octets(hash) } };
  const bounded = kept.ln >= 10 && kept.ln <= 18 && within(kept.r, 32) && within(kept.p, 16);
  return bounded && kept.hash.length === 32 && kept.salt.length >= 8 ? kept : null;
}

function parseScram(text: string): ScramKeys | null {
  const [, iterations, salt = '', stored = '', server = ''] = SCRAM.exec(text) ?? [];
  const keys = { iterations: Number(iterations), salt: octets(salt) };
  const storedKey = octets(stored);
  const serverKey = octets(server);
  const whole = storedKey.length === 32 && serverKey.length === 32 && keys.salt.length >= 8;
  return whole && keys.iterations >= 4096 ? { ...keys, storedKey, serverKey } : null;
}

const octets = (text: string): Buffer => Buffer.from(text, 'base64');
const within = (n: number, most: number): boolean => n >= 1 && n <= most;

/** At most 255 octets, without control characters. */
export const isLoginName = (name: string): boolean =>
  name !== '' && Buffer.byteLength(name) <= 255 && !/[\x00-\x1f\x7f]/.test(name);
