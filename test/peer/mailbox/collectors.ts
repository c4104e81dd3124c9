/**
 * The programs that fetch a mailbox, each with the configuration that docs/operating.md shows: what is
 * changed for the test is where things are, and nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const PAGE = resolve(import.meta.dirname, '../../../docs/operating.md');
/** Debian's nobody: getmail6 does not deliver as root. */
export const NOBODY = 65534;
/** Of the login `acme`. */
export const PASSWORD = 'post-restante';

export interface Place {
  /** A folder of the program's own. */
  readonly folder: string;
  /** Where POP3 is served with TLS from the first octet, for the name `localhost`. */
  readonly port: number;
  /** What signs for it. */
  readonly trust: string;
}

/** The block under "`NAME`:", with places put in. */
export function documented(name: string, place: Place, more: Readonly<Record<string, string>> = {}): string {
  const page = readFileSync(PAGE, 'utf8');
  const block = page.split(`\`${name}\`:\n\n\`\`\``)[1]?.split('\n```')[0];
  if (block === undefined) throw new Error(`docs/operating.md has no ${name}`);
  const changes = {
    'mx2.example.net': 'localhost',
    '995': String(place.port),
    SECRET: PASSWORD,
    '/etc/ssl/certs/ca-certificates.crt': place.trust,
    ...more,
  };
  let text = block.slice(block.indexOf('\n') + 1);
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${name} does not say ${from}`);
    text = text.replaceAll(from, () => to);
  }
  return `${text}\n`;
}

export class Run {
  readonly child: ChildProcess;
  output = '';

  constructor(program: string, args: readonly string[], home: string) {
    const env = { ...process.env, HOME: home, FETCHMAILHOME: home, LC_ALL: 'C' };
    this.child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (text) => (this.output += String(text)));
    }
  }

  get over(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The exit code, or the signal. */
  async end(): Promise<number | string | null> {
    const { child } = this;
    if (!this.over) await once(child, 'close');
    return child.exitCode ?? child.signalCode;
  }
}

/** `expunge`: how many mails before it says QUIT and begins a new session. */
export function fetchmail(place: Place, smtp: number, expunge = 50): Run {
  const { folder } = place;
  mkdirSync(folder, { recursive: true });
  const rc = join(folder, 'fetchmailrc');
  const text = documented('fetchmailrc', place, {
    'localhost/25': `127.0.0.1/${smtp}`,
    'expunge 50': `expunge ${expunge}`,
  });
  writeFileSync(rc, text, { mode: 0o600 });
  const args = ['-f', rc, '--nodetach', '--nosyslog', '--pidfile', join(folder, 'pid')];
  return new Run('fetchmail', args, folder);
}

/** `people`: a Maildir for each, named like them; `others` for the rest. */
export function getmail(place: Place, people: readonly string[]): Run {
  const { folder } = place;
  const rc = join(folder, 'getmailrc');
  const maildir = (name: string): string => {
    for (const sub of ['', 'new', 'cur', 'tmp']) mkdirSync(join(folder, name, sub), { recursive: true });
    return `${join(folder, name)}/`;
  };
  const pattern = (p: string): string => `(^|[\\\\s,])${p.replaceAll(/[.+]/g, '\\\\$&')}($|,)`;
  const sorted = people.map((p) => `    ("${pattern(p)}", "[${p}]"),`).join('\n');
  const text = documented('getmailrc', place, {
    '    ("(^|[\\\\s,])joe@acme\\\\.example($|,)", "[joe]"),': sorted,
    '[joe]\ntype = Maildir\npath = /home/joe/Maildir/': people
      .map((p) => `[${p}]\ntype = Maildir\npath = ${maildir(p)}`)
      .join('\n\n'),
    '/home/postmaster/Maildir/': maildir('others'),
    'envelope_recipient = ': 'timeout = 10\nenvelope_recipient = ',
  });
  writeFileSync(rc, text);
  own(folder, [
    'getmailrc',
    ...[...people, 'others'].flatMap((p) => [p, ...['new', 'cur', 'tmp'].map((s) => `${p}/${s}`)]),
  ]);
  const as = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  return new Run('setpriv', [...as, 'getmail', '--getmaildir', folder, '--rcfile', rc], folder);
}

function own(folder: string, names: readonly string[]): void {
  // Down to it from the folder that the tests' runner has made for us alone.
  for (const above of [dirname(folder), dirname(dirname(folder))]) {
    if (above.startsWith(`${tmpdir()}/`)) chmodSync(above, 0o711);
  }
  chownSync(folder, NOBODY, NOBODY);
  for (const name of names) chownSync(join(folder, name), NOBODY, NOBODY);
}

export function mpop(place: Place): Run {
  const { folder } = place;
  for (const sub of ['', 'new', 'cur', 'tmp']) mkdirSync(join(folder, 'Maildir', sub), { recursive: true });
  const rc = join(folder, 'mpoprc');
  const text = documented('mpoprc', place, { '/home/joe/Maildir': join(folder, 'Maildir') });
  writeFileSync(rc, text, { mode: 0o600 });
  return new Run('mpop', ['-C', rc, '--all-accounts', '--uidls-file', join(folder, 'uidls')], folder);
}
