/**
 * The name of a client that can be believed: its address points to the name, and the name to the address. Whoever owns
 * the address can write any name into the reverse zone; only both together say something.
 *
 * Never asks for more than a few names: the reverse zone is the stranger's. RFC 8601 §2.7.3 (iprev), §3.
 */
import type { Resolver } from '../dns/port.ts';
import { canonicalAddress } from '../dns/wire.ts';

/** RFC 8601 §3 asks for a limit; more names than that has no ordinary client. */
const MOST_NAMES = 5;

/** Undefined: it has none, or nobody could say. */
export async function verifiedName(resolver: Resolver, address: string): Promise<string | undefined> {
  const wanted = canonicalAddress(address);
  const names = await resolver.ptr(address);
  if (names.kind !== 'found' || wanted === null) return undefined;
  const few = names.records.slice(0, MOST_NAMES);
  const answers = await Promise.all(few.map((name) => resolver.addresses(name)));
  const at = answers.findIndex((answer) => answer.kind === 'found' && answer.records.includes(wanted));
  return few[at];
}
