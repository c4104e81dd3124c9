/**
 * What the answers of all lists come to for one mail, and how it is told. Pure.
 *
 * Promises: what no list says for certain denies nobody (fail open). Where an allow list should have been heard and was
 * not, a denial is temporary: the client may stand on it.
 *
 * RFC 5321 §3.6.2, §4.2.2 (550, 450: policy reasons); RFC 3463 X.7.1; RFC 5782 §2.1 (the list's own words).
 */
import type { BlocklistSettings, ListSettings, LookedUp, Sort } from '../../config/blocklists.ts';
import { defer, type Refusal, reject } from '../verdict.ts';
import type { Said } from './answer.ts';

/** What is looked up. */
export interface Subject {
  readonly kind: LookedUp;
  readonly sort: Sort;
  /** For people. */
  readonly text: string;
  /** What is put before the zone of a list. */
  readonly labels: string;
}

/** One list about one subject. */
export interface Reply {
  readonly list: ListSettings;
  readonly subject: Subject;
  readonly said: Said;
}

export interface Hit extends Reply {
  readonly said: Extract<Said, { kind: 'listed' }>;
}

export type Judgement =
  | { readonly kind: 'clean'; readonly allowedBy?: string }
  /** It passes, with a mark. `allowedBy`: it would have been denied. */
  | { readonly kind: 'marked'; readonly mark: string; readonly allowedBy?: string }
  /** `first`: the hit that is told to the client. `doubt`: the allow list that was not heard. */
  | { readonly kind: 'denied'; readonly why: string; readonly first: Hit; readonly doubt?: string };

const isHit = (reply: Reply): reply is Hit => reply.said.kind === 'listed';

export function judge(replies: readonly Reply[], threshold: number): Judgement {
  const allowing = replies.filter(({ list }) => list.use === 'allow');
  const allowed = allowing.find(isHit);
  const allowedBy = allowed && { allowedBy: allowed.list.zone };
  // A list counts once, whatever it lists of this mail.
  const counted = new Map<ListSettings, Hit>();
  for (const reply of replies) {
    if (reply.list.use === 'block' && isHit(reply) && !counted.has(reply.list))
      counted.set(reply.list, reply);
  }
  const hits = [...counted.values()].sort((a, b) => b.list.weight - a.list.weight);
  const [first] = hits;
  if (!first) return { kind: 'clean', ...allowedBy };
  const score = hits.reduce((sum, { list }) => sum + list.weight, 0);
  const why = `${hits.map(hitText).join('; ')}; score ${score} of ${threshold}`;
  if (allowed)
    return { kind: 'marked', mark: `${why}; but ${hitText(allowed)}`, allowedBy: allowed.list.zone };
  if (score < threshold) return { kind: 'marked', mark: why };
  const unheard = allowing.find(({ said }) => said.kind === 'silent' || said.kind === 'refused');
  return { kind: 'denied', why, first, ...(unheard && { doubt: unheard.list.zone }) };
}

const hitText = ({ list, subject, said }: Hit): string =>
  `${list.zone} lists ${WORDS[subject.kind]}${subject.text} as ${said.codes.join(', ')}`;

const WORDS: Record<LookedUp, string> = {
  address: '',
  'client-name': 'the client name ',
  helo: 'the EHLO name ',
  sender: "the sender's domain ",
};

/** `reason`: what the list says, as it came. */
export function denial(
  { why, first, doubt }: Extract<Judgement, { kind: 'denied' }>,
  action: BlocklistSettings['action'],
  reason: string | undefined,
): Refusal {
  const { list, subject } = first;
  const words = reason === undefined ? '' : cleaned(reason);
  const text = `${WORDS[subject.kind]}${subject.text} is listed by ${list.zone}${words && `: ${words}`}`;
  const wire = `Denied: ${text}`.slice(0, MOST_TEXT);
  const log = doubt === undefined ? why : `${why}; for now, since the allow list ${doubt} was not heard`;
  return action === 'defer' || doubt !== undefined
    ? defer(450, '4.7.1', wire, log)
    : reject(550, '5.7.1', wire, log);
}

/** RFC 5321 §4.5.3.1.5: a reply line has 512 octets, its codes and CRLF included. */
const MOST_TEXT = 480;
const MOST_REASON = 200;

/** Others wrote it: one line of printable ASCII. */
const cleaned = (reason: string): string =>
  reason
    .slice(0, 4 * MOST_REASON)
    .replace(/[\x00-\x20\x7f]+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, MOST_REASON);
