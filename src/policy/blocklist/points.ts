/**
 * The test points of a list as the labels that are put before its zone, and what their answers say of it. Pure.
 *
 * RFC 5782 §5: what a list has to have (127.0.0.2, ::FFFF:7F00:2, TEST) and must not have (127.0.0.1, ::FFFF:7F00:1,
 * INVALID). Beside both, something that was never asked before: its answer can come from no cache, so it comes from
 * the list.
 */
import type { Sort, TestPoints } from '../../config/blocklists.ts';
import { reversed, reversedSix } from '../../dns/reverse.ts';
import { refusalText, type Said } from './answer.ts';
import type { Event, Trouble } from './health.ts';

export interface Questions {
  readonly sort: Sort;
  readonly points: TestPoints;
  readonly listed: string;
  readonly clean: string;
}

export function questionsOf(points: TestPoints): Questions {
  const { sort, listed, clean } = points;
  return { sort, points, listed: labelsOf(sort, listed), clean: labelsOf(sort, clean) };
}

/** What is put before the zone. */
export function labelsOf(sort: Sort, what: string): string {
  switch (sort) {
    case 'ipv4':
      return reversed(what);
    case 'ipv6':
      return reversedSix(what);
    case 'name':
      return what;
    default:
      return sort satisfies never;
  }
}

/** Nobody's: a loopback address, or a name in INVALID. `random`: from 0 to 1. */
export function freshLabels(sort: Sort, random: () => number): string {
  const octet = () => 1 + Math.floor(random() * 254);
  const [a, b, c] = [octet(), octet(), octet()];
  if (sort === 'name') return `${a}-${b}-${c}.invalid`;
  const address = `127.${a}.${b}.${c}`;
  if (sort === 'ipv4') return labelsOf(sort, address);
  return labelsOf(sort, `::ffff:7f${a.toString(16).padStart(2, '0')}:${(b * 256 + c).toString(16)}`);
}

export interface Answers {
  readonly points: TestPoints;
  readonly listed: Said;
  readonly clean: Said;
  readonly fresh: Said;
}

/** The worst that the answers say. */
export function verdictOf(all: readonly Answers[]): Event {
  const everything = all.find(({ clean }) => clean.kind === 'listed');
  if (everything) return { kind: 'test failed', trouble: listsEverything(everything.points) };
  const each = all.flatMap(({ listed, clean, fresh }) => [listed, clean, fresh]);
  for (const said of each) if (said.kind === 'refused') return failed('refused', refusalText(said.code));
  for (const said of each)
    if (said.kind === 'silent') return failed('silent', `does not answer: ${said.why}`);
  for (const { points, listed } of all) {
    if (listed.kind === 'foreign')
      return failed('foreign', `${points.listed} is answered with ${listed.address}: ${MADE_UP}`);
    if (listed.kind !== 'listed')
      return failed('lists nothing', `lists nothing: ${points.listed} is not there`);
  }
  // Those it lists are listed, and what is made up for the others does not count: it can be used.
  const made = each.find((said) => said.kind === 'foreign');
  return made
    ? { kind: 'test good', remark: `what is not there is answered with ${made.address}: ${MADE_UP}` }
    : { kind: 'test good' };
}

const MADE_UP = 'a resolver that makes up answers, or the domain of the list has another owner';

export const listsEverything = ({ clean }: TestPoints): Trouble => ({
  kind: 'lists everything',
  why: `lists everything: ${clean} is there`,
});

const failed = (kind: Trouble['kind'], why: string): Event => ({
  kind: 'test failed',
  trouble: { kind, why },
});
