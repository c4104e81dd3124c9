/**
 * Wary: whether a refusal is believed (DESIGN.md §5). A primary that comes back half-configured says
 * 550 to everything; bouncing the backlog then would be the end of it. While wary, refusals are held
 * back and offered again; the rest flows.
 *
 *   off ──▶ on   the site went down, or refusals are at least half of the last 20 final answers and
 *                at least 5
 *   on ──▶ off   since it is on (at most the last 20): at least 5 acceptances, and three for each refusal
 *
 * A mail counts once, at its first refusal: one that is offered hourly must not hold the site wary.
 */
const REMEMBERED = 20;
const ENOUGH = 5;
const OUTNUMBER = 3;

export class Wary {
  #on = false;
  /** The last final answers since the last change; true is an acceptance. */
  #last: boolean[] = [];

  get on(): boolean {
    return this.#on;
  }

  /** The site went down: what it says when it is back has to be looked at. */
  begin(): void {
    this.#on = true;
    this.#last = [];
  }

  /** A final answer to a mail that was not refused before. True if the mark changed. */
  answer(accepted: boolean): boolean {
    this.#last.push(accepted);
    if (this.#last.length > REMEMBERED) this.#last.shift();
    const good = this.#last.filter((a) => a).length;
    const bad = this.#last.length - good;
    const next = this.#on ? good < ENOUGH || good < OUTNUMBER * bad : bad >= ENOUGH && bad >= good;
    if (next === this.#on) return false;
    this.#on = next;
    // From off to on the window stays: its refusals are the reason. From on to off it begins anew.
    if (!next) this.#last = [];
    return true;
  }
}
