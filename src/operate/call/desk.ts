/**
 * What a call over HTTPS means: `POST /call/SITE` with the site's token, and perhaps its new address. A value in, a
 * value out.
 *
 * Promises: a wrong token, a site without one and a site that does not exist are told the same, after the same
 * work; comparison takes the same time; whoever guesses is made to wait. The token never goes into a log.
 * RFC 6750 §2.1 (Bearer), RFC 6585 §4 (429).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { z } from 'zod';
import { type Clock, MINUTE } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { Rate } from '../../policy/rate.ts';
import { clientKey } from '../../protocol/listen/address.ts';
import type { CallAnswer } from '../../site/call.ts';
import type { Site, SiteDirectory } from '../../site/site.ts';

export interface CallDeskOptions {
  readonly directory: () => SiteDirectory;
  /** `from`: where the site is now, if that may change. */
  readonly call: (site: string, by: string, from?: string) => CallAnswer;
  readonly stateOf: (site: string) => { readonly state: string; readonly queued: number };
  readonly clock: Clock;
  readonly log: Log;
}

/** Wrong tokens of one client. */
const GUESSES = 10;
/** Right ones for one site. */
const CALLS = 60;

export class CallDesk {
  readonly options: CallDeskOptions;
  readonly wrong: Rate;
  readonly calls: Rate;

  constructor(options: CallDeskOptions) {
    this.options = options;
    this.wrong = new Rate(options.clock, GUESSES, 10 * MINUTE);
    this.calls = new Rate(options.clock, CALLS, MINUTE);
  }
}

export interface CallRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  /** Null: too long. */
  readonly body: string | null;
}
export interface CallResponse {
  readonly status: number;
  readonly body?: unknown;
}

const Body = z.strictObject({ address: z.string().optional() });
/** Nobody's: compared with where a site has no token. */
const DECOY = Buffer.alloc(32);

export function answerCall(desk: CallDesk, peer: string, request: CallRequest): CallResponse {
  const [, name] = /^\/call\/([A-Za-z0-9._-]{1,63})$/.exec(request.path) ?? [];
  if (name === undefined || request.method !== 'POST') return { status: 404 };
  const { log, directory } = desk.options;
  const client = clientKey(peer);
  if (desk.wrong.spent(client)) return { status: 429 };
  const site = directory().byName(name);
  const token = /^Bearer +(\S+)$/i.exec(request.authorization ?? '')?.[1] ?? '';
  if (!holds(site, token) || !site) {
    desk.wrong.take(client);
    log.warn('call refused', { peer, queue: site?.name ?? 'none', why: 'wrong token' });
    return { status: 401 };
  }
  const address = addressIn(request.body);
  if (address === null)
    return { status: 400, body: { error: 'the body is {} or { "address": "192.0.2.1" }' } };
  if (!desk.calls.take(site.name)) return { status: 429 };
  return called(desk, site, peer, address ?? peer);
}

function called(desk: CallDesk, site: Site, peer: string, address: string): CallResponse {
  const { call, stateOf, log } = desk.options;
  const from = site.primary.kind === 'caller' ? address : undefined;
  const answer = call(site.name, `call from ${peer}`, from);
  log.info('call', {
    peer,
    queue: site.name,
    answer: answer.kind,
    ...(from !== undefined && { address: from }),
  });
  const { state, queued } = stateOf(site.name);
  const told = { site: site.name, queued, state };
  switch (answer.kind) {
    case 'begun':
    case 'under way':
    case 'empty':
    case 'alive':
      return { status: 200, body: told };
    case 'held':
      return { status: 503, body: { ...told, error: 'this mail is held' } };
    case 'another way':
      return { status: 409, body: { ...told, error: `this site collects by ${site.collect.kind}` } };
  }
}

function holds(site: Site | undefined, token: string): boolean {
  const kept = site?.token === undefined ? DECOY : Buffer.from(site.token, 'hex');
  return timingSafeEqual(createHash('sha256').update(token).digest(), kept);
}

/** Undefined: none is named; null: it is not to be understood. */
function addressIn(body: string | null): string | undefined | null {
  if (body === null) return null;
  if (body.trim() === '') return undefined;
  try {
    const { success, data } = Body.safeParse(JSON.parse(body));
    if (!success || (data.address !== undefined && isIP(data.address) === 0)) return null;
    return data.address;
  } catch {
    return null;
  }
}
