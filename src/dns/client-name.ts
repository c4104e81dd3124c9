/**
 * The name of a client that can be believed: its address points to the name, and the name to the address. Whoever owns
 * the address can write any name into the reverse zone; only both together say something.
 *
 * Never asks for more than a few names: the reverse zone is the stranger's. RFC 8601 §2.7.3 (iprev), §3.
 */
import type { Resolver } from './port.ts';
import { canonicalAddress } from './wire.ts';

/** RFC 8601 §3 asks for a limit; more names than that has no ordinary client. */
const MOST_NAMES = 5;

/** `failed`: nobody could say. */
export type ClientName =
  | { readonly kind: 'found'; readonly name: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed' };

export async function clientName(resolver: Resolver, address: string): Promise<ClientName> {
  const wanted = canonicalAddress(address);
  const names = await resolver.ptr(address);
  if (names.kind === 'failed') return { kind: 'failed' };
  if (names.kind !== 'found' || wanted === null) return { kind: 'none' };
  const few = names.records.slice(0, MOST_NAMES);
  const answers = await Promise.all(few.map((name) => resolver.addresses(name)));
  const name = few[answers.findIndex((answer) => answer.kind === 'found' && answer.records.includes(wanted))];
  if (name !== undefined) return { kind: 'found', name };
  return { kind: answers.some((answer) => answer.kind === 'failed') ? 'failed' : 'none' };
}

/** Undefined: it has none, or nobody could say. */
export async function verifiedName(resolver: Resolver, address: string): Promise<string | undefined> {
  const found = await clientName(resolver, address);
  return found.kind === 'found' ? found.name : undefined;
}
