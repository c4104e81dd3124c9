/**
 * A connection to a filter, below commands: packets out, packets in, each wait with its deadline.
 *
 * Promises: what comes in unasked for is read only up to a bound; `next` always answers; once lost, lost for good,
 * with one reason. It never throws.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../base/clock.ts';
import { type Packet, PacketReader } from './packet.ts';

/** Octets that may wait in the socket before the writer waits. */
const HIGH_WATER = 256 * 1024;
/** Octets of packets that nobody has asked for yet, before no more is read. */
const UNREAD_WATER = 1024 * 1024;

export class MilterWire {
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #reader = new PacketReader();
  #unread: Packet[] = [];
  #unreadOctets = 0;
  #waiting: { readonly timer: Timer; readonly heard: (packet: Packet | null) => void } | null = null;
  #lost: string | null = null;

  constructor(socket: Duplex, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error: Error) => this.lose(error.message));
    socket.on('end', () => this.lose('it closed the connection'));
    socket.on('close', () => this.lose('it closed the connection'));
  }

  /** Why it can be used no more. */
  get lost(): string | null {
    return this.#lost;
  }

  /** Something has come that was not asked for. */
  get hasUnread(): boolean {
    return this.#unread.length > 0;
  }

  /** Somebody waits for `next`. */
  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  /** All pieces in one go. */
  write(pieces: readonly Buffer[]): void {
    if (this.#lost !== null) return;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  /** Waits until the filter has read most of what was written. */
  async drained(ms: number): Promise<void> {
    if (this.#lost !== null || this.#socket.writableLength < HIGH_WATER || !this.#socket.writableNeedDrain)
      return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      const timer = this.#clock.after(ms, () => {
        this.lose('it does not read what it is sent');
        done();
      });
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  /** The next packet; null: lost, or it did not come in time and so is lost now. */
  next(ms: number): Promise<Packet | null> {
    const there = this.#unread.shift();
    if (there) {
      this.#unreadOctets -= there.data.length + PACKET_COST;
      if (this.#unreadOctets < UNREAD_WATER) this.#socket.resume();
      return Promise.resolve(there);
    }
    if (this.#lost !== null) return Promise.resolve(null);
    return new Promise((heard) => {
      const timer = this.#clock.after(ms, () => this.lose(`no answer within ${Math.round(ms / 1000)} s`));
      this.#waiting = { timer, heard };
    });
  }

  lose(why: string): void {
    if (this.#lost !== null) return;
    this.#lost = why;
    this.#unread = [];
    this.#socket.destroy();
    this.#hear(null);
  }

  /** Ends in order: what was written still leaves. */
  end(last: Buffer, ms: number): void {
    if (this.#lost !== null) return;
    this.#lost = 'ended';
    const timer = this.#clock.after(ms, () => this.#socket.destroy());
    this.#socket.on('close', () => timer.cancel());
    this.#socket.resume();
    this.#socket.end(last);
    this.#hear(null);
  }

  #take(chunk: Buffer): void {
    if (this.#lost !== null) return;
    const wrong = this.#reader.push(chunk, (packet) => this.#packet(packet));
    if (wrong !== undefined) this.lose(wrong);
  }

  #packet(packet: Packet): void {
    if (this.#waiting) {
      this.#hear(packet);
      return;
    }
    this.#unread.push(packet);
    this.#unreadOctets += packet.data.length + PACKET_COST;
    if (this.#unreadOctets >= UNREAD_WATER) this.#socket.pause();
  }

  #hear(packet: Packet | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.timer.cancel();
    waiting?.heard(packet);
  }
}

/** What a packet costs beside its data: many without any must not count as nothing. */
const PACKET_COST = 100;
