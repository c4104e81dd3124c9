/**
 * One turned connection for the queues of several sites: a login may have more than one. Each has it in its
 * turn, to the end of its queue; the last one's end says QUIT.
 */
import type { Given, Line, Parcel, Trouble } from '../handover/port.ts';
import type { CallAnswer } from '../site/call.ts';
import type { QueueName } from '../spool/port.ts';
import type { Turned } from './called.ts';

/** `Keepers` satisfies this. */
export interface Callable {
  call(queue: QueueName, by: string, turned?: Turned): CallAnswer;
}

/** `open` is called once, when the first of them has mail. */
export function callTurned(
  keepers: Callable,
  queues: readonly QueueName[],
  by: string,
  open: Turned,
): CallAnswer {
  let opened: Promise<Line | Trouble> | null = null;
  const from = (first: number): CallAnswer => {
    let told: CallAnswer = { kind: 'empty' };
    for (let i = first; i < queues.length; i++) {
      const turned: Turned = async (signal) => {
        opened ??= open(signal);
        const line = await opened;
        return line.kind === 'trouble' ? line : new Part(line, () => from(i + 1).kind === 'begun');
      };
      const answer = keepers.call(queues[i] ?? '', by, turned);
      if (answer.kind === 'begun') return answer;
      // What keeps one from its mail is told before "there is none".
      if (told.kind === 'empty') told = answer;
    }
    return told;
  };
  return from(0);
}

/** The line while one of the queues has it. */
class Part implements Line {
  readonly kind = 'line';
  readonly #line: Line;
  readonly #passOn: () => boolean;

  constructor(line: Line, passOn: () => boolean) {
    this.#line = line;
    this.#passOn = passOn;
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
    return this.#line.give(parcel);
  }

  async close(): Promise<void> {
    if (!this.#passOn()) await this.#line.close();
  }

  hangUp(): boolean {
    return this.#line.hangUp();
  }

  destroy(): void {
    this.#line.destroy();
  }
}
