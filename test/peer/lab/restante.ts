/**
 * Restante in the lab's host `backup`, from the checkout: start, kill, ask. Its spool and log are in the
 * lab's folder and outlive the host.
 */
import { INSIDE, type Lab, ROOT, until } from '../lab.ts';

const CONFIG = `${INSIDE}/restante.yaml`;
const LOG = 'restante.log';

/**
 * Three lines a site; what else is here is where the lab differs from a machine of one's own. Any recipient is taken, where a
 * test says nothing else: it is about outages, and its primary is down from the start.
 */
export function config(sites: Record<string, { domains: string[]; more?: string[] }>): string {
  const lines = ['hostname: backup.example.test', `spool: ${INSIDE}/spool`, 'sites:'];
  for (const [name, site] of Object.entries(sites)) {
    lines.push(`  ${name}:`, `    domains: [${site.domains.join(', ')}]`);
    const more = site.more ?? [];
    if (!more.some((line) => line.startsWith('recipients:'))) lines.push('    recipients: any');
    for (const line of more) lines.push(`    ${line}`);
  }
  return `${lines.join('\n')}\n`;
}

export class Restante {
  readonly #lab: Lab;

  constructor(lab: Lab, text: string) {
    this.#lab = lab;
    lab.write('restante.yaml', text);
  }

  get log(): string {
    return this.#lab.read(LOG);
  }

  /** Resolves when all listeners accept. */
  async start(): Promise<void> {
    const before = this.log.length;
    const serve = `ulimit -n 20000; echo $$ >/run/restante.pid; exec ${ROOT}/bin/restante serve -c ${CONFIG} </dev/null >>${INSIDE}/${LOG} 2>&1`;
    const child = this.#lab.spawn('backup', ['sh', '-c', serve]);
    const probe = (): boolean => {
      if (this.log.slice(before).includes('ready')) return true;
      if (child.exitCode !== null) throw new Error(`restante ended with ${child.exitCode}:\n${this.#tail()}`);
      return false;
    };
    await until('restante is ready', 30, probe, 20).catch((fault: unknown) => {
      throw new Error(`${fault instanceof Error ? fault.message : fault}\n${this.#tail()}`);
    });
  }

  /** `KILL` gives it no chance to end in order. Resolves when it is gone. */
  async kill(signal: 'KILL' | 'TERM' | 'HUP' = 'KILL'): Promise<void> {
    await this.#lab.must('backup', ['sh', '-c', `kill -${signal} $(cat /run/restante.pid)`]);
    if (signal === 'HUP') return;
    const gone =
      'p=$(cat /run/restante.pid); for i in $(seq 300); do kill -0 $p 2>/dev/null || exit 0; sleep .05; done; exit 1';
    await this.#lab.must('backup', ['sh', '-c', gone]);
  }

  /** A command with `--json`. */
  async ask<T>(...args: string[]): Promise<T> {
    const command = [`${ROOT}/bin/restante`, ...args, '-c', CONFIG, '--json'];
    return JSON.parse(await this.#lab.must('backup', command)) as T;
  }

  async queued(): Promise<number> {
    const sites = await this.ask<{ queued: number }[]>('site', 'list');
    return sites.reduce((sum, site) => sum + site.queued, 0);
  }

  #tail(): string {
    return this.log.split('\n').slice(-20).join('\n');
  }
}
