/**
 * `restante rmail RECIPIENT…` and `restante rsmtp`: what uuxqt and nncp-toss call with mail from a site on
 * standard input. `rmail` takes one mail below its From line, with LF; `rsmtp` a batch (BSMTP), plain or
 * compressed. Each mail is handed to the server, and taken when it is durable.
 *
 * RFC 976, 2442.
 */
import { isAscii } from '../../mail/address.ts';
import { ToCrlf } from '../../protocol/bsmtp/line-ends.ts';
import { Octets } from '../../protocol/bsmtp/octets.ts';
import { BatchFoul, type BatchMail, readBatch } from '../../protocol/bsmtp/reader.ts';
import { type FromLine, parseFromLine, readPath, senderOf } from '../../protocol/bsmtp/rmail.ts';
import { UnpackFault, unpack } from '../../protocol/bsmtp/unpack.ts';
import type { Common, Context } from './context.ts';
import { EX, exitOf, guarded, type Neighbour, neighbourOf, plain, Server, tell } from './courier.ts';

const NOBODY = 'neither UU_MACHINE nor NNCP_SENDER is set: uuxqt and nncp-toss call this';
const MOST_LINE = 4096;
const MOST_FROM_LINES = 20;

async function* none(): AsyncGenerator<Uint8Array> {}

export function rmail(context: Context, options: Common, recipients: readonly string[]): Promise<number> {
  return guarded(context, async () => {
    const say = (text: string, exit: number = EX.ok): number => {
      context.terminal.err(`restante rmail: ${text}\n`);
      return exit;
    };
    const neighbour = neighbourOf(context.env);
    if (!neighbour) return say(NOBODY, EX.usage);
    const octets = new Octets(context.stdin ?? none());
    const sender = senderOf(await fromLines(octets));
    if (sender.kind === 'refused') return say(`the sender: ${sender.why}`, EX.dataErr);
    const paths = recipients.map((written) => ({ written, ...readPath(written) }));
    for (const path of paths) if (path.kind === 'refused') say(`${path.written}: ${path.why}`);
    const to = paths.flatMap((path) => (path.kind === 'address' ? [{ address: path.address }] : []));
    if (to.length === 0) return recipients.length === 0 ? say('for whom?', EX.usage) : EX.noUser;
    const envelope = {
      sender: sender.address,
      recipients: to,
      // Nobody says what it is: nothing is promised of it.
      body: '8bitmime' as const,
      smtputf8: ![sender.address, ...to.map((r) => r.address)].every(isAscii),
    };
    const result = await new Server(context, options).submit({ ...neighbour, envelope }, crlf(octets));
    tell(context, result, envelope.sender);
    const [first] = result.told;
    const exit = exitOf(plain(result.outcome === 'accepted' && first ? first.reply : result.reply));
    return exit === EX.ok && to.length < paths.length ? EX.noUser : exit;
  });
}

async function fromLines(octets: Octets): Promise<FromLine[]> {
  const lines: FromLine[] = [];
  while (lines.length < MOST_FROM_LINES) {
    const line = await octets.line(MOST_LINE);
    if (line === null) break;
    const parsed = parseFromLine(line.toString('utf8').replace(/\r?\n$/, ''));
    if (!parsed) {
      octets.putBack(line);
      break;
    }
    lines.push(parsed);
  }
  return lines;
}

async function* crlf(octets: Octets): AsyncGenerator<Uint8Array> {
  const to = new ToCrlf();
  for (let chunk = await octets.take(); chunk.length > 0; chunk = await octets.take())
    yield to.convert(chunk);
  yield to.end();
}

export function rsmtp(context: Context, options: Common): Promise<number> {
  return guarded(context, async () => {
    const neighbour = neighbourOf(context.env);
    if (!neighbour) {
      context.terminal.err(`restante rsmtp: ${NOBODY}\n`);
      return EX.usage;
    }
    return await new Batch(context, new Server(context, options), neighbour).run();
  });
}

/** One batch. All of its mails are tried, whatever becomes of one of them. */
class Batch {
  readonly #context: Context;
  readonly #server: Server;
  readonly #neighbour: Neighbour;
  readonly #keys: string[] = [];
  /** The first reason to end otherwise than well. */
  #exit: number = EX.ok;
  #waits = false;

  constructor(context: Context, server: Server, neighbour: Neighbour) {
    this.#context = context;
    this.#server = server;
    this.#neighbour = neighbour;
  }

  async run(): Promise<number> {
    try {
      for await (const item of readBatch(unpack(this.#context.stdin ?? none()))) {
        if (item.kind === 'mail') await this.#mail(item);
        else this.#bad(`line ${item.line}: ${item.why}`);
      }
    } catch (fault) {
      if (!(fault instanceof UnpackFault)) throw fault;
      this.#bad(fault.message);
    }
    if (this.#waits) return EX.tempFail;
    if (this.#keys.length > 0) await this.#server.over(this.#keys);
    return this.#exit;
  }

  async #mail(mail: BatchMail): Promise<void> {
    const { sender, body, smtputf8, ret, envid } = mail.command;
    const envelope = {
      ...{ sender, body, smtputf8 },
      ...(ret && { ret }),
      ...(envid !== undefined && { envid }),
      recipients: mail.recipients.map(({ address, notify, orcpt }) => ({
        address,
        ...(notify && { notify: [...notify] }),
        ...(orcpt !== undefined && { orcpt }),
      })),
    };
    try {
      const result = await this.#server.submit({ ...this.#neighbour, envelope }, mail.content(), mail.key);
      tell(this.#context, result, sender);
      if (result.outcome === 'accepted') this.#keys.push(mail.key());
      this.#waits ||= result.outcome === 'deferred';
      const [first] = result.told;
      this.#end(exitOf(plain(result.outcome === 'accepted' && first ? first.reply : result.reply)));
    } catch (fault) {
      // The batch tells it too.
      if (!(fault instanceof BatchFoul)) throw fault;
    }
  }

  #bad(why: string): void {
    this.#context.terminal.err(`restante rsmtp: ${why}\n`);
    this.#end(EX.dataErr);
  }

  #end(exit: number): void {
    if (this.#exit === EX.ok) this.#exit = exit;
  }
}
