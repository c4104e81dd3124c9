/**
 * A Line to a primary that takes each mail from the client that gave it to us (`pass_client: xclient`). Mails of the same
 * client follow each other on one connection; the next client's, and those that have none, wait for what is out, and
 * go on in a conversation that is theirs: by XCLIENT again where the server still offers it (Postfix does not), else on another
 * connection.
 *
 * Promises: no mail is given in another client's name. A refusal of the name fails nothing: the mail goes without it
 * (`src/primary/passing.ts`). One connection at a time, under the site's limit.
 */
import { type Client, clientKeyOf, clientOf } from '../../mail/client.ts';
import type { Primaries } from '../../primary/primaries.ts';
import { nameOf, type Reached } from '../../primary/reach.ts';
import type { Site } from '../../site/site.ts';
import type { Given, Line, Parcel, Trouble } from '../port.ts';
import type { SmtpLine } from './line.ts';

export interface NamedLineOptions {
  readonly site: Site;
  readonly primaries: Primaries;
  /** Greeted, and said nothing else. */
  readonly reached: Reached;
  /** A line over such a conversation. */
  readonly over: (reached: Reached) => SmtpLine;
}

export class NamedLine implements Line {
  readonly kind = 'line';
  readonly #options: NamedLineOptions;
  readonly #stop = new AbortController();
  /** What was given and is not answered. */
  readonly #out = new Set<Promise<Given>>();
  #reached: Reached;
  #line: SmtpLine;
  /** The conversation is that of the client whose mail was given last. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: NamedLineOptions) {
    this.#options = options;
    this.#reached = options.reached;
    this.#line = options.over(options.reached);
  }

  get host(): string {
    return this.#line.host;
  }

  get best(): boolean {
    return this.#line.best;
  }

  get depth(): number {
    return this.#line.depth;
  }

  give(parcel: Parcel): Promise<Given> {
    const client = clientOf(parcel.origin);
    const turn = this.#turn.then(() => this.#become(client));
    const given = turn.then((trouble) => (trouble ? broken(parcel, trouble) : this.#give(parcel)));
    // Behind `given`: so its mail is on the line before the next one looks whose it is.
    this.#turn = turn.then(() => {});
    return given;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#line.close();
  }

  hangUp(): boolean {
    this.#stop.abort();
    return this.#line.hangUp();
  }

  destroy(): void {
    this.#stop.abort();
    this.#line.destroy();
  }

  #give(parcel: Parcel): Promise<Given> {
    const given = this.#line.give(parcel);
    this.#out.add(given);
    void given.then(() => this.#out.delete(given));
    return given;
  }

  /** Null: the conversation is his now; or the line is dead or hung up, and says so itself. */
  async #become(client: Client | null): Promise<Trouble | null> {
    if (this.#isOf(client)) return null;
    await Promise.all(this.#out);
    const { signal } = this.#stop;
    if (this.#line.isDead || this.#isOf(client)) return null;
    const { site, primaries } = this.#options;
    if (client && primaries.mayName(site, this.#reached, client)) {
      await this.#line.rest();
      const named = await primaries.name(site, this.#reached, client, signal);
      if (named) return this.#take(named);
    }
    await this.#line.close();
    const reached = await primaries.connect(site, signal, client);
    if (reached.kind === 'trouble') return reached;
    const { best } = this.#line;
    this.#take(reached);
    if (reached.exchanger.best === best && !signal.aborted) return null;
    this.#line.destroy();
    return { kind: 'trouble', cause: 'connect', text: `another host answers now: ${nameOf(reached)}` };
  }

  #isOf(client: Client | null): boolean {
    const { site, primaries } = this.#options;
    const { named } = this.#reached;
    if (!client || !primaries.wantsName(site, client)) return named === undefined;
    if (named !== undefined) return clientKeyOf(named) === clientKeyOf(client);
    // What does not offer it would not on another connection.
    return !primaries.mayName(site, this.#reached, client);
  }

  #take(reached: Reached): null {
    this.#reached = reached;
    this.#line = this.#options.over(reached);
    return null;
  }
}

const broken = (parcel: Parcel, trouble: Trouble): Given => ({
  kind: 'broken',
  trouble,
  outcomes: parcel.envelope.recipients.map(() => null),
  alive: false,
});
