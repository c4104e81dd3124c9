/**
 * The way out to a foreign domain, for notices and for mail of sites that may send: its exchangers by
 * MX, or a smart host for all. Unlike a site, a foreign domain can say for good that it takes no mail:
 * then the trouble is `permanent`, and the keeper fails the mail by it.
 *
 * RFC 5321 §5.1; 7505 §4.1 (null MX: 556 5.1.10); RFC 3463 X.1.2, X.4.4.
 */
import type { Outbound } from '../../config/config.ts';
import type { Resolver } from '../../dns/port.ts';
import { canonicalAddress } from '../../dns/wire.ts';
import { type Reply, reply } from '../../mail/reply.ts';
import { type Means, reach, type Wish } from '../../primary/reach.ts';
import { type Exchanger, type NoRoute, routeOf } from '../../primary/route.ts';
import type { Handover, Line, Trouble } from '../port.ts';
import { lineOf } from './push.ts';

export interface OutboundOptions extends Means {
  /** Canonical; without the `>` of its queue. An address literal `[192.0.2.1]` too. */
  readonly domain: string;
  readonly way: Outbound;
  readonly resolver: Resolver;
  /** Another port for exchangers found by MX; for tests. */
  readonly mxPort?: number;
}

export function outboundHandover(options: OutboundOptions): Handover {
  return {
    async connect(signal: AbortSignal): Promise<Line | Trouble> {
      const wish =
        options.way.kind === 'mx' ? await byMx(options) : await bySmartHost(options.way, options.resolver);
      if ('cause' in wish) return wish;
      const reached = await reach(wish, options, signal);
      return reached.kind === 'trouble' ? reached : lineOf(reached, options);
    },
  };
}

async function byMx({ domain, resolver, ourselves, mxPort = 25 }: OutboundOptions): Promise<Wish | Trouble> {
  const literal = domain.startsWith('[') ? canonicalAddress(domain) : null;
  if (literal) return { exchangers: [only(literal, mxPort, [literal])], tls: { kind: 'may' } };
  const route = await routeOf(domain, { resolver, ourselves, port: mxPort });
  if (route.kind === 'route') return { exchangers: route.exchangers, tls: { kind: 'may' } };
  const permanent = forGood(route);
  return {
    kind: 'trouble',
    cause: route.why === 'ourselves' ? 'ourselves' : 'dns',
    text: route.text,
    ...(permanent && { permanent }),
  };
}

function forGood({ why, text }: NoRoute): Reply | null {
  switch (why) {
    case 'nxdomain':
      return reply(550, '5.1.2', text);
    case 'null mx':
      return reply(556, '5.1.10', text);
    case 'nothing':
      return reply(550, '5.4.4', text);
    // Ours to put right: what the domain says of itself is well.
    case 'ourselves':
    case 'failed':
      return null;
  }
}

async function bySmartHost(
  way: Outbound & { kind: 'smarthost' },
  resolver: Resolver,
): Promise<Wish | Trouble> {
  const found = await resolver.addresses(way.host);
  if (found.kind !== 'found') {
    const why = found.kind === 'failed' ? found.why : found.kind;
    return { kind: 'trouble', cause: 'dns', text: `the address of the smart host ${way.host}: ${why}` };
  }
  const { tls, auth } = way;
  return { exchangers: [only(way.host, way.port, found.records)], tls, ...(auth && { auth }) };
}

const only = (host: string, port: number, addresses: readonly string[]): Exchanger => ({
  host,
  port,
  preference: 0,
  best: true,
  addresses,
});
