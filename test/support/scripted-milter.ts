/**
 * A filter that answers as a test tells it to, on streams in memory: it keeps what it hears, says what is
 * scripted, and has every vice.
 */
import type { Duplex } from 'node:stream';
import { encodePacket, PacketReader, type Part, uint32 } from '../../src/protocol/milter/packet.ts';
import { memoryPair } from './smtp-pair.ts';

/** What it says to one packet: octets as they are; nothing; or it hangs up. */
export type Says = Buffer | readonly Buffer[] | 'silence' | 'close';

export interface Script {
  readonly version?: number;
  readonly actions?: number;
  /** SMFIP_… */
  readonly steps?: number;
  /** What follows the options: lists of macros. */
  readonly more?: Buffer;
  /** By the letter of the command; `O` in place of its options. */
  readonly answers?: Readonly<Record<string, Says | ((data: Buffer, nth: number) => Says)>>;
}

/** One answer. */
export const say = (code: string, ...parts: Part[]): Buffer => encodePacket(code, ...parts);
export const CONTINUE = say('c');

/** Commands that have no answer. */
const SILENT = 'ADKQ';

export class ScriptedMilter {
  /** `C [192.0.2.1]|4…|`: a NUL is a bar. */
  readonly heard: string[] = [];
  readonly macros: string[] = [];
  dials = 0;
  /** Set: it cannot be reached. */
  down: string | null = null;
  readonly sockets: Duplex[] = [];
  script: Script;

  constructor(script: Script = {}) {
    this.script = script;
  }

  /** Of all connections, the letters only. */
  get letters(): string {
    return this.heard.map((line) => line[0]).join('');
  }

  readonly dial = async (): Promise<Duplex | string> => {
    this.dials++;
    if (this.down !== null) return this.down;
    const [near, far] = memoryPair();
    this.sockets.push(far);
    const reader = new PacketReader();
    const counts = new Map<string, number>();
    far.on('data', (chunk: Buffer) => {
      reader.push(chunk, ({ code, data }) => {
        const nth = counts.get(code) ?? 0;
        counts.set(code, nth + 1);
        this.#hear(code, data);
        this.#speak(far, this.#answerTo(code, data, nth));
      });
    });
    far.on('error', () => {});
    return near;
  };

  #hear(code: string, data: Buffer): void {
    const text = `${code} ${data.toString('latin1').replaceAll('\0', '|')}`;
    (code === 'D' ? this.macros : this.heard).push(text);
  }

  #answerTo(code: string, data: Buffer, nth: number): Says {
    const { version = 6, actions = 0x1ff, steps = 0, more = Buffer.alloc(0), answers = {} } = this.script;
    const scripted = answers[code];
    if (scripted !== undefined) return typeof scripted === 'function' ? scripted(data, nth) : scripted;
    if (code === 'O') return say('O', uint32(version), uint32(actions), uint32(steps), more);
    return SILENT.includes(code) ? 'silence' : CONTINUE;
  }

  #speak(far: Duplex, says: Says): void {
    if (says === 'silence') return;
    if (says === 'close') far.destroy();
    else for (const octets of Buffer.isBuffer(says) ? [says] : says) far.write(octets);
  }
}
