/**
 * A conversation with the best exchanger that can be had: connect, greeting, EHLO, TLS; each
 * preference in turn, its hosts in random order, both address families.
 *
 * Promises: one that shows our own marks ends the search (whatever is left is not better than us);
 * one that is not the host that was expected gets no mail; a TLS handshake that fails is followed by
 * cleartext only under `may`, on a new connection. What is reported is the trouble of the best host.
 *
 * RFC 5321 §5.1; 3207; 7435 (opportunistic security).
 */
import type { Clock } from '../base/clock.ts';
import { SECOND } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../mail/client.ts';
import type { Reply } from '../mail/reply.ts';
import {
  type Deadlines,
  type Opened,
  type OpenFailure,
  open,
  RFC_DEADLINES,
} from '../protocol/smtp/client/open.ts';
import type { Expectation, TlsPolicy } from '../site/site.ts';
import { dial } from './dial.ts';
import type { Ourselves } from './ourselves.ts';
import type { Exchanger } from './route.ts';

/** Why there is no conversation; the shape of the handover port's Trouble. */
export interface Unreached {
  readonly kind: 'trouble';
  readonly cause:
    | 'dns'
    | 'ourselves'
    | 'connect'
    | 'greeting'
    | 'ehlo'
    | 'tls'
    | 'expect'
    | 'refused'
    | 'loop'
    | 'busy';
  readonly text: string;
  readonly host?: string;
  readonly reply?: Reply;
}

export interface Reached {
  readonly kind: 'reached';
  readonly opened: Opened;
  readonly exchanger: Exchanger;
  readonly address: string;
  /** The client for whom it takes us (XCLIENT); absent: for ourselves. */
  readonly named?: Client;
}

/** What all conversations share. */
export interface Means {
  readonly clock: Clock;
  readonly log: Log;
  readonly ourselves: Ourselves;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly deadlines?: Deadlines;
  /** Milliseconds for a TCP connection to one address. */
  readonly connectTimeout?: number;
  /** Milliseconds before the next address is begun beside a silent one. */
  readonly stagger?: number;
  /** PEM certificates that `verify` trusts, instead of the system's. */
  readonly ca?: readonly string[];
}

export interface Wish {
  /** By rising preference. */
  readonly exchangers: readonly Exchanger[];
  readonly tls: TlsPolicy;
  readonly expect?: Expectation;
  readonly auth?: { readonly user: string; readonly password: string };
}

/** Addresses tried before we give up; the next attempt begins anew. */
const MOST_TARGETS = 20;

interface Target {
  readonly exchanger: Exchanger;
  readonly address: string;
  readonly port: number;
}

export async function reach(wish: Wish, means: Means, signal: AbortSignal): Promise<Reached | Unreached> {
  let first: Unreached | null = null;
  let left = MOST_TARGETS;
  for (const group of byPreference(wish.exchangers)) {
    const targets = targetsOf(group, means.random).slice(0, left);
    left -= targets.length;
    const result = await reachOne(targets, wish, means, signal);
    if (result?.kind === 'reached') return result;
    // RFC 5321 §5.1: if a host turns out to be us, those behind it are not better than us.
    if (result?.cause === 'loop') return first ?? result;
    first ??= result;
    if (signal.aborted) break;
  }
  return first ?? { kind: 'trouble', cause: 'dns', text: 'no exchanger has an address' };
}

function byPreference(exchangers: readonly Exchanger[]): Exchanger[][] {
  const groups = new Map<number, Exchanger[]>();
  for (const e of exchangers) groups.set(e.preference, [...(groups.get(e.preference) ?? []), e]);
  return [...groups.values()];
}

/** Hosts in random order (RFC 5321 §5.1), families in turn. */
function targetsOf(group: readonly Exchanger[], random: () => number): Target[] {
  return shuffled(group, random).flatMap((exchanger) =>
    alternating(exchanger.addresses).map((address) => ({ exchanger, address, port: exchanger.port })),
  );
}

export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** The family of the first address first. */
export function alternating(addresses: readonly string[]): string[] {
  const six = addresses.filter((a) => a.includes(':'));
  const four = addresses.filter((a) => !a.includes(':'));
  const [one, other] = addresses[0]?.includes(':') ? [six, four] : [four, six];
  const longest = Math.max(one.length, other.length);
  return Array.from({ length: longest }, (_, i) => [one[i], other[i]])
    .flat()
    .filter((a) => a !== undefined);
}

/** Null: there was nothing to try. */
async function reachOne(
  targets: readonly Target[],
  wish: Wish,
  means: Means,
  signal: AbortSignal,
): Promise<Reached | Unreached | null> {
  let first: Unreached | null = null;
  let left = targets;
  while (left.length > 0 && !signal.aborted) {
    const dialed = await dial(left, {
      clock: means.clock,
      timeout: means.connectTimeout ?? 30 * SECOND,
      stagger: means.stagger ?? 2 * SECOND,
      signal,
    });
    if (dialed.kind === 'failed') return first ?? unconnected(dialed.failures);
    const { target } = dialed;
    const result = await converse(target, dialed.socket, wish, means, signal);
    if (result.kind === 'reached' || result.cause === 'loop') return result;
    means.log.info('exchanger failed', { host: result.host, why: result.text });
    first ??= result;
    left = left.filter((t) => t !== target);
  }
  return first;
}

function unconnected(failures: readonly { target: Target; why: string }[]): Unreached {
  const host = failures[0] ? nameOf(failures[0].target) : undefined;
  const text = failures.map(({ target, why }) => `${nameOf(target)}: ${why}`).join(', ');
  return { kind: 'trouble', cause: 'connect', text: text || 'given up', ...(host !== undefined && { host }) };
}

async function converse(
  target: Target,
  socket: Parameters<typeof open>[0]['socket'],
  wish: Wish,
  means: Means,
  signal: AbortSignal,
): Promise<Reached | Unreached> {
  const { exchanger } = target;
  const base = {
    clock: means.clock,
    hostname: means.ourselves.hostname,
    host: exchanger.host,
    deadlines: means.deadlines ?? RFC_DEADLINES,
    signal,
    ...(means.ca && { ca: means.ca }),
    ...(wish.auth && { auth: wish.auth }),
  };
  let opened = await open({ ...base, socket, tls: wish.tls });
  if (opened.kind === 'failure' && opened.handshake && wish.tls.kind === 'may') {
    means.log.info('cleartext after a failed TLS handshake', { host: nameOf(target), why: opened.text });
    const again = await dial([target], {
      clock: means.clock,
      timeout: means.connectTimeout ?? 30 * SECOND,
      stagger: 0,
      signal,
    });
    // A password is not for cleartext: then the failed handshake stands.
    if (again.kind === 'connected' && !wish.auth) {
      opened = await open({ ...base, socket: again.socket, tls: { kind: 'none' } });
    } else if (again.kind === 'connected') again.socket.destroy();
  }
  if (opened.kind === 'failure') return troubleOf(opened, target);
  const wrong = impostor(opened, wish, means, target);
  if (wrong) {
    opened.wire.end();
    return wrong;
  }
  return { kind: 'reached', opened, exchanger, address: target.address };
}

function impostor(opened: Opened, wish: Wish, means: Means, target: Target): Unreached | null {
  const host = nameOf(target);
  const trouble = (cause: Unreached['cause'], text: string): Unreached => ({
    kind: 'trouble',
    cause,
    text,
    host,
  });
  if (means.ourselves.isOffer(opened.offer)) {
    return trouble('loop', `${host} is ourselves: it says ${opened.offer.name} and shows our own marks`);
  }
  const { expect } = wish;
  if (expect?.kind === 'ehlo' && opened.offer.name.toLowerCase() !== expect.name.toLowerCase()) {
    return trouble('expect', `${host} says ${opened.offer.name}, expected is ${expect.name}`);
  }
  if (expect?.kind === 'fingerprint' && opened.tls?.fingerprint !== expect.sha256) {
    return trouble(
      'expect',
      `${host} shows ${opened.tls?.fingerprint ?? 'no certificate'}, expected is ${expect.sha256}`,
    );
  }
  return null;
}

function troubleOf(failure: OpenFailure, target: Target): Unreached {
  const host = nameOf(target);
  const code = failure.reply?.code ?? 0;
  const cause =
    failure.at === 'auth'
      ? 'refused'
      : code >= 400 && code < 500 && failure.at !== 'tls'
        ? 'busy'
        : failure.at;
  return {
    kind: 'trouble',
    cause,
    text: `${host}: ${failure.at === 'ehlo' ? 'EHLO' : failure.at}: ${failure.text}`,
    host,
    ...(failure.reply && { reply: failure.reply }),
  };
}

/** Name and address, for people. */
export function nameOf({ exchanger, address }: { exchanger: Exchanger; address: string }): string {
  const port = exchanger.port === 25 ? '' : `:${exchanger.port}`;
  return exchanger.host === address ? `[${address}]${port}` : `${exchanger.host}[${address}]${port}`;
}
