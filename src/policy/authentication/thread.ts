/**
 * A worker thread that examines mails (`examine.ts`): takes their pieces, gives back what it found. The other end
 * is `workers.ts`. Started as a thread only; it ends when it is told to.
 */
import { PassThrough } from 'node:stream';
import { parentPort } from 'node:worker_threads';
import type { Answer, Resolver } from '../../dns/port.ts';
import { examine, type Facts, type Looking } from './examine.ts';
import type { DnsType, FromWorker, ToWorker } from './messages.ts';

interface Mail {
  readonly content: PassThrough;
  readonly facts: (facts: Facts) => void;
}

class Thread {
  readonly #say: (message: FromWorker) => void;
  readonly #mails = new Map<number, Mail>();
  readonly #asked = new Map<number, (answer: Answer<never>) => void>();
  #looking: Looking | undefined;
  #question = 0;

  constructor(say: (message: FromWorker) => void) {
    this.#say = say;
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case 'look':
        this.#looking = message.looking;
        return;
      case 'piece':
        this.#write(this.#mail(message.mail), message.octets);
        return;
      case 'end': {
        const mail = this.#mail(message.mail);
        this.#write(mail, message.octets);
        mail.facts(message.facts);
        mail.content.end();
        return;
      }
      case 'abort':
        this.#mails.get(message.mail)?.content.destroy(new Error('the mail came to nothing'));
        this.#mails.delete(message.mail);
        return;
      case 'answer':
        this.#asked.get(message.question)?.(message.answer as Answer<never>);
        this.#asked.delete(message.question);
        return;
      default:
        message satisfies never;
    }
  }

  #write({ content }: Mail, octets: Uint8Array): void {
    // The other end bounds what is on its way: it counts what is taken.
    content.write(octets, () => this.#say({ kind: 'taken', octets: octets.byteLength }));
  }

  #mail(id: number): Mail {
    const there = this.#mails.get(id);
    if (there) return there;
    const content = new PassThrough();
    // It is torn down when the mail comes to nothing; nobody waits for it then.
    content.on('error', () => {});
    const facts = Promise.withResolvers<Facts>();
    const mail = { content, facts: facts.resolve };
    this.#mails.set(id, mail);
    if (this.#looking) void this.#examine(id, content, this.#looking, facts.promise);
    return mail;
  }

  async #examine(id: number, content: PassThrough, looking: Looking, facts: Promise<Facts>): Promise<void> {
    try {
      const examined = await examine(content, looking, () => facts, this.#resolver);
      this.#say({ kind: 'examined', mail: id, examined });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.#mails.has(id)) this.#say({ kind: 'failed', mail: id, why });
    }
    this.#mails.delete(id);
  }

  readonly #resolver: Resolver = {
    a: (name) => this.#ask('a', name),
    aaaa: (name) => this.#ask('aaaa', name),
    txt: (name) => this.#ask('txt', name),
    mx: (name) => this.#ask('mx', name),
    ptr: (name) => this.#ask('ptr', name),
    addresses: async () => ({ kind: 'nodata' }),
  };

  #ask<T>(type: DnsType, name: string): Promise<Answer<T>> {
    const question = this.#question++;
    return new Promise((resolve) => {
      this.#asked.set(question, resolve as (answer: Answer<never>) => void);
      this.#say({ kind: 'ask', question, type, name });
    });
  }
}

const port = parentPort;
if (port) {
  const thread = new Thread((message) => port.postMessage(message));
  port.on('message', (message: ToWorker) => thread.hear(message));
}
