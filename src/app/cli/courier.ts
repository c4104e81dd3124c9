/**
 * What `rmail` and `rsmtp` share: who brings the mail, the way to the server, and what to say to uuxqt or
 * nncp-toss. They keep a job that ends with EX_TEMPFAIL and try it again, and throw away any other that
 * fails; so whatever is in doubt is EX_TEMPFAIL.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { describe, type Reply } from '../../mail/reply.ts';
import { CONTROL, KEY_TRAILER, type SubmitRequest, Submitted } from '../../operate/api/contract.ts';
import { type Common, type Context, configFile, spoolOf } from './context.ts';
import { Stop } from './terminal.ts';

/** sysexits.h */
export const EX = {
  ok: 0,
  usage: 64,
  dataErr: 65,
  noUser: 67,
  unavailable: 69,
  tempFail: 75,
  noPerm: 77,
} as const;

export type Neighbour = Pick<SubmitRequest, 'by' | 'name'>;

/** uuxqt sets UU_MACHINE, nncp-toss NNCP_SENDER. Null: neither did. */
export function neighbourOf(env: Context['env']): Neighbour | null {
  if (env.NNCP_SENDER) return { by: 'nncp', name: env.NNCP_SENDER };
  if (env.UU_MACHINE) return { by: 'uucp', name: env.UU_MACHINE };
  return null;
}

/** What becomes of a mail, for the exit code. */
export function exitOf(reply: Reply): number {
  if (reply.code < 300) return EX.ok;
  if (reply.code < 500) return EX.tempFail;
  const kind = reply.enhanced?.slice(2) ?? '';
  if (kind.startsWith('7.')) return EX.noPerm;
  if (kind.startsWith('1.')) return EX.noUser;
  return kind.startsWith('3.') || kind.startsWith('6.') ? EX.dataErr : EX.unavailable;
}

/** The socket `listen.rmail`, or the control socket. */
function socketOf(context: Context, options: Common): string {
  const file = configFile(context, options);
  const own: unknown = parse(readFileSync(file, 'utf8'))?.listen?.rmail;
  return typeof own === 'string' ? resolve(dirname(file), own) : join(spoolOf(context, options), CONTROL);
}

export class Server {
  readonly #socket: string;

  constructor(context: Context, options: Common) {
    this.#socket = socketOf(context, options);
  }

  /** `key`: asked when the content is all sent. What the content throws is thrown, and nothing is taken. */
  async submit(
    mail: SubmitRequest,
    content: AsyncIterable<Uint8Array>,
    key?: () => string,
  ): Promise<Submitted> {
    const { request, answer } = this.#open('/submit', key ? { trailer: KEY_TRAILER } : {});
    let answered = false;
    const early = answer.then(
      () => void (answered = true),
      () => void (answered = true),
    );
    try {
      request.write(`${JSON.stringify(mail)}\n`);
      for await (const chunk of content) {
        // A mail that is refused is read to its end all the same: the next one stands behind it.
        if (!answered && !request.write(chunk)) await Promise.race([once(request, 'drain'), early]);
      }
    } catch (fault) {
      request.destroy();
      throw fault;
    }
    if (key) request.addTrailers({ [KEY_TRAILER]: key() });
    request.end();
    return Submitted.parse(JSON.parse(await bodyOf(await answer)));
  }

  /** The batch with these mails is over. */
  async over(keys: readonly string[]): Promise<void> {
    const { request, answer } = this.#open('/submitted', {});
    request.end(JSON.stringify({ keys }));
    await bodyOf(await answer);
  }

  #open(path: string, headers: Record<string, string>) {
    const request: ClientRequest = httpRequest({ socketPath: this.#socket, method: 'POST', path, headers });
    const answer = new Promise<IncomingMessage>((done, failed) => {
      request.once('response', done);
      request.on('error', (error: NodeJS.ErrnoException) =>
        failed(
          new Stop(1, `the server cannot be reached at ${this.#socket}: ${error.code ?? error.message}`),
        ),
      );
    });
    return { request, answer };
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  if (response.statusCode === 200) return text;
  throw new Stop(1, `the server answers ${response.statusCode}: ${text.slice(0, 300)}`);
}

/** What was refused, on standard error: uuxqt mails it to who asked for the job, or to its operator. */
export function tell(context: Context, { reply, told, outcome }: Submitted, sender: string): void {
  const say = (text: string) => context.terminal.err(`restante: mail from <${sender}>: ${text}\n`);
  for (const one of told) say(`<${one.recipient}>: ${describe(plain(one.reply))}`);
  if (outcome !== 'accepted' && told.length === 0) say(describe(plain(reply)));
}

export const plain = ({ code, enhanced, text }: Submitted['reply']): Reply =>
  enhanced === undefined ? { code, text } : { code, enhanced, text };

/** Runs it; whatever goes wrong is EX_TEMPFAIL. */
export async function guarded(context: Context, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    context.terminal.err(`restante: ${error instanceof Error ? error.message : String(error)}\n`);
    return EX.tempFail;
  }
}
