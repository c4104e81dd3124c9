/**
 * Slow start: how many connections a site gets (DESIGN.md §5). Begins at one, doubles when about ten
 * mails a connection were answered, never by the clock; halves when the site asks for less (421, 4yz
 * to greeting, EHLO or MAIL) or when its answers become slow.
 */

/** Answered mails a connection before the number doubles, and between two halvings for slowness. */
export const MAILS_A_CONNECTION = 10;
/** Slow is three times the best seen and half a second more: below that no site is in trouble. */
const SLOW_FACTOR = 3;
const SLOW_FLOOR = 500;

export class Window {
  #allowed = 1;
  /** Mails answered since the last change. */
  #answered = 0;
  /** Moving mean of the latency; null before the first mail. */
  #latency: number | null = null;
  #samples = 0;
  #best = Number.POSITIVE_INFINITY;

  /** Most connections at the moment. */
  get allowed(): number {
    return this.#allowed;
  }

  /** Begins anew, after trouble: what was known of the site's pace may not hold any more. */
  restart(): void {
    this.#change(1);
    this.#latency = null;
    this.#samples = 0;
    this.#best = Number.POSITIVE_INFINITY;
  }

  /**
   * A mail was answered. `latency`: null when it says nothing (a refusal at RCPT is quick on the most
   * burdened host). `limit`: the policy's.
   */
  answered(latency: number | null, limit: number): void {
    this.#answered++;
    if (latency !== null) this.#measure(latency);
    if (this.#answered < this.#allowed * MAILS_A_CONNECTION) return;
    if (this.#slow()) this.halve();
    else if (this.#allowed < limit) this.#change(Math.min(limit, this.#allowed * 2));
    else if (this.#allowed > limit) this.#change(limit);
  }

  /** The site wants fewer connections. */
  halve(): void {
    this.#change(Math.max(1, Math.floor(this.#allowed / 2)));
  }

  #change(allowed: number): void {
    this.#allowed = allowed;
    this.#answered = 0;
  }

  #measure(latency: number): void {
    this.#latency = this.#latency === null ? latency : this.#latency + (latency - this.#latency) / 8;
    this.#samples++;
    if (this.#samples < MAILS_A_CONNECTION) return;
    // The best creeps up, so that a site that has become slower for good is not held down for ever.
    this.#best = Math.min(
      this.#latency,
      this.#best + (this.#latency - Math.min(this.#best, this.#latency)) / 500,
    );
  }

  #slow(): boolean {
    return this.#latency !== null && this.#latency > this.#best * SLOW_FACTOR + SLOW_FLOOR;
  }
}
