/**
 * The TLS certificates of our listeners: those of the configuration, chosen by SNI; with none, a
 * self-signed one that is made once and kept, so that STARTTLS can always be offered.
 *
 * Promises: files are read again when they change; a bad change is logged and the old ones stay in
 * use; the self-signed key never changes by itself (a site may have pinned it) and is readable by
 * us alone. Never TLS below 1.2. RFC 3207; RFC 6066 §3 (SNI); RFC 8996 (old versions).
 */
import { X509Certificate } from 'node:crypto';
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, DAY, SECOND, type Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { TlsSource } from '../smtp/server/duplex.ts';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface TlsOptions {
  readonly certificates: readonly CertificateFiles[];
  /** Where the self-signed key is kept. */
  readonly folder: string;
  readonly hostname: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface TlsFailed {
  readonly kind: 'failed';
  readonly why: string;
}

export const POLL = 10 * SECOND;
const SELF_SIGNED = 'self-signed.pem';
const LIFETIME = 3650 * DAY;

interface Loaded {
  readonly certificate: X509Certificate;
  readonly context: SecureContext;
}

export class TlsContexts implements TlsSource {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #folder: string;
  readonly #hostname: string;
  #files: readonly CertificateFiles[];
  #first: Loaded;
  #loaded: readonly Loaded[];
  #stamp: string;
  #poll: Timer;
  #closed = false;

  static async open(options: TlsOptions): Promise<TlsContexts | TlsFailed> {
    const stamp = await stampOf(options.certificates);
    const loaded = await load(options.certificates, options);
    return 'kind' in loaded ? loaded : new TlsContexts(options, loaded, stamp);
  }

  private constructor(options: TlsOptions, loaded: readonly [Loaded, ...Loaded[]], stamp: string) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#folder = options.folder;
    this.#hostname = options.hostname;
    this.#files = options.certificates;
    this.#first = loaded[0];
    this.#loaded = loaded;
    this.#stamp = stamp;
    this.#poll = this.#clock.after(POLL, () => this.#look());
  }

  /** For the name that a client asked for; without one, or for one that no certificate has, the first. */
  context(name?: string): SecureContext {
    const match = name === undefined ? undefined : this.#loaded.find((l) => l.certificate.checkHost(name));
    return (match ?? this.#first).context;
  }

  /** Takes another list, or reads the present one again. What cannot be loaded changes nothing. */
  async reload(certificates: readonly CertificateFiles[] = this.#files): Promise<TlsFailed | null> {
    const stamp = await stampOf(certificates);
    const loaded = await load(certificates, {
      folder: this.#folder,
      hostname: this.#hostname,
      clock: this.#clock,
    });
    if ('kind' in loaded) return loaded;
    this.#files = certificates;
    this.#first = loaded[0];
    this.#loaded = loaded;
    this.#stamp = stamp;
    return null;
  }

  close(): void {
    this.#closed = true;
    this.#poll.cancel();
  }

  async #look(): Promise<void> {
    const stamp = await stampOf(this.#files);
    if (stamp !== this.#stamp) {
      // Also if it fails: said once; a certificate without its key yet is followed by its key.
      this.#stamp = stamp;
      const failed = await this.reload();
      if (failed) this.#log.error('certificates not reread', { why: failed.why });
      else this.#log.info('certificates reread');
    }
    if (!this.#closed) this.#poll = this.#clock.after(POLL, () => this.#look());
  }
}

type Place = Pick<TlsOptions, 'folder' | 'hostname' | 'clock'>;

async function load(
  certificates: readonly CertificateFiles[],
  place: Place,
): Promise<readonly [Loaded, ...Loaded[]] | TlsFailed> {
  const [first, ...others] = certificates;
  if (!first) return loadSelfSigned(place);
  const loaded = await loadFiles(first);
  if ('kind' in loaded) return loaded;
  const list: [Loaded, ...Loaded[]] = [loaded];
  for (const files of others) {
    const more = await loadFiles(files);
    if ('kind' in more) return more;
    list.push(more);
  }
  return list;
}

async function loadFiles(files: CertificateFiles): Promise<Loaded | TlsFailed> {
  try {
    return make(await readFile(files.cert), await readFile(files.key));
  } catch (error) {
    return { kind: 'failed', why: `${files.cert}, ${files.key}: ${messageOf(error)}` };
  }
}

function make(cert: Buffer, key: Buffer): Loaded {
  return {
    certificate: new X509Certificate(cert),
    context: createSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
  };
}

async function loadSelfSigned(place: Place): Promise<readonly [Loaded] | TlsFailed> {
  const path = join(place.folder, SELF_SIGNED);
  try {
    const kept = await readFile(path).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    });
    const pem = kept ?? (await makeSelfSigned(path, place));
    return [make(pem, pem)];
  } catch (error) {
    return { kind: 'failed', why: `${path}: ${messageOf(error)}` };
  }
}

/** One file with key and certificate, put in place by a rename: never half of it. */
async function makeSelfSigned(path: string, place: Place): Promise<Buffer> {
  // Much code, wanted at the first start only.
  const { generate } = await import('selfsigned');
  const now = place.clock.now();
  const made = await generate([{ name: 'commonName', value: place.hostname }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    // A day back, for peers whose clock is slow.
    notBeforeDate: new Date(now - DAY),
    notAfterDate: new Date(now + LIFETIME),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: place.hostname }] }],
  });
  const pem = Buffer.from(`${made.private}\n${made.cert}\n`);
  await mkdir(place.folder, { recursive: true, mode: 0o700 });
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(pem);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  return pem;
}

/** Changes when a file does. A missing one counts, too. */
async function stampOf(certificates: readonly CertificateFiles[]): Promise<string> {
  const parts: string[] = [];
  for (const path of certificates.flatMap((files) => [files.cert, files.key])) {
    const facts = await stat(path).catch(() => null);
    parts.push(facts ? `${facts.ino}.${facts.size}.${facts.mtimeMs}` : 'none');
  }
  return parts.join(' ');
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
