/**
 * What a mail's content says of its origin: DKIM signatures, the DMARC policy of its author's domain, the ARC chain,
 * and our seal on top. mailauth does the work; this says what is asked of it, and what its answers mean here.
 * Runs in a worker thread (`thread.ts`): some milliseconds of CPU for a mail.
 *
 * Promises: bounded DNS questions for a mail, however many signatures it has; a mail with several authors never
 * passes DMARC, and fails it as soon as one of them fails.
 *
 * RFC 6376, 8301 (no SHA-1); RFC 9989 §5.3.1 (several authors); RFC 8617 §5.1 (seal).
 */
import type { Readable } from 'node:stream';
import type { ARCData } from 'mailauth';
import { createSeal, arc as verifyArc } from 'mailauth/lib/arc/index.js';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import type { Authentication } from '../../config/config.ts';
import type { Resolver } from '../../dns/port.ts';
import { canonicalDomain, domainPart } from '../../mail/address.ts';
import type { MailAuthentication } from '../../mail/envelope.ts';
import { Lookups } from './lookup.ts';
import { type ResultInfo, resultsBody, spfInfo } from './results.ts';

export type Looking = Pick<Authentication, 'dmarc' | 'arc' | 'seal' | 'authservId'>;

/** What is known when the content is all there. */
export interface Facts {
  readonly sender: string;
  readonly spf?: MailAuthentication['spf'];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Others have changed the mail since it was examined: only our seal is made anew, over what it is now. */
  readonly arrived?: Arrived;
}

/** What our seal says of a mail as it came in, whatever others make of it afterwards (RFC 8617 §5.1). */
export interface Arrived {
  readonly chain: ChainStatus;
  /** How many ARC sets it had. */
  readonly sets: number;
  readonly results: string;
}
type ChainStatus = Pick<ArcResult['status'], 'result' | 'shouldSeal'>;
type ArcResult = Awaited<ReturnType<typeof verifyArc>>;

export interface Examined {
  readonly authentication: Omit<MailAuthentication, 'spf'>;
  /** The body of our Authentication-Results. */
  readonly results: string;
  /** The fields of our ARC set, each complete. */
  readonly seal: readonly string[];
  /** There if it may be sealed. */
  readonly arrived?: Arrived;
  /** DNS did not answer what might have made it pass. */
  readonly doubtful: boolean;
  readonly marks: readonly string[];
}

/** DNS questions for one mail: those of some twenty signatures, chain and policies. */
const LOOKUPS = 60;
const AUTHORS = 10;
const OLDEST_KEY = 1024;

type Verified = Awaited<ReturnType<typeof dkimVerify>>;
type Ask = (name: string, type: string) => Promise<string[]>;

export async function examine(
  content: Readable,
  looking: Looking,
  facts: () => Promise<Facts>,
  resolver: Resolver,
): Promise<Examined> {
  const lookups = new Lookups(resolver, LOOKUPS);
  const ask = ((name, type) => lookups.ask(name, type)) as Ask;
  const { seal } = looking;
  const sealing = seal && {
    signingDomain: seal.domain,
    selector: seal.selector,
    privateKey: seal.key,
  };
  const verified = await dkimVerify(content, {
    resolver: ask,
    minBitLength: OLDEST_KEY,
    rejectRsaSha1: true,
    ...(sealing && { seal: sealing }),
  });
  const { sender, spf, now, arrived } = await facts();
  const infos: ResultInfo[] = [...spfInfo(spf, sender), ...verified.results.map((r) => r.info ?? '')];
  const marks: string[] = [];
  const sealed = async (as: Arrived) => (sealing ? sealOf(verified, as, { ...sealing, now }, marks) : []);
  if (arrived) {
    const seal = await sealed(arrived);
    return { authentication: {}, results: arrived.results, seal, doubtful: false, marks };
  }
  const chain =
    looking.arc && verified.arc ? await verifyArc(verified.arc as ARCData, { resolver: ask }) : undefined;
  if (chain?.info) infos.push(chain.info);
  const dmarc = looking.dmarc === 'off' ? undefined : await dmarcOf(verified, spf, ask, infos);
  const results = resultsBody(looking.authservId, infos.filter(Boolean));
  const dkim = dkimOf(verified);
  const { result, shouldSeal } = chain?.status ?? {};
  const as = result && {
    chain: { result, ...(shouldSeal !== undefined && { shouldSeal }) },
    sets: setsOf(verified),
    results,
  };
  return {
    authentication: {
      dkim,
      ...(dmarc && { dmarc }),
      ...(chain && { arc: { result: chain.status.result } }),
    },
    results,
    seal: as ? await sealed(as) : [],
    ...(as && { arrived: as }),
    doubtful: spf?.result === 'temperror' || verified.results.some((r) => r.status.result === 'temperror'),
    marks,
  };
}

/** A good signature counts, whatever else is there (RFC 6376 §6.1). */
function dkimOf({ results }: Verified): NonNullable<MailAuthentication['dkim']> {
  const good = results.filter((r) => r.status.result === 'pass');
  const temporary = results.find((r) => r.status.result === 'temperror');
  const result = (good[0] ?? temporary ?? results[0])?.status.result ?? 'none';
  const domains = [...new Set(good.map((r) => canonicalDomain(r.signingDomain ?? '')))].slice(0, 20);
  return { result, domains };
}

/** With several authors: the first that fails; and no pass (RFC 9989 §5.3.1). */
async function dmarcOf(
  verified: Verified,
  spf: MailAuthentication['spf'],
  resolver: Ask,
  infos: ResultInfo[],
): Promise<NonNullable<MailAuthentication['dmarc']>> {
  const { headerFrom, results } = verified;
  const passed = {
    spfDomains: spf?.result === 'pass' ? [spf.domain] : [],
    dkimDomains: results
      .filter((r) => r.status.result === 'pass')
      .map((r) => ({ domain: r.signingDomain ?? '', ...lengthOf(r) })),
    resolver,
  };
  const whole = await evaluateDmarc({ ...passed, headerFrom, fromFields: verified.fromFields });
  if (whole.response) {
    if (whole.response.info) infos.push(whole.response.info);
    const [author, ...others] = headerFrom;
    return { ...policyOf(whole.response), ...(others.length === 0 && author !== undefined && { author }) };
  }
  const authors = new Map(headerFrom.map((address) => [canonicalDomain(domainPart(address)), address]));
  let worst: NonNullable<MailAuthentication['dmarc']> = {
    result: 'permerror',
    domain: [...authors.keys()][0] ?? '',
  };
  for (const author of [...authors.values()].slice(0, AUTHORS)) {
    const { response } = await evaluateDmarc({ ...passed, headerFrom: [author], fromFields: 1 });
    if (!response) continue;
    const found = policyOf(response);
    if (found.result === 'fail' && found.policy !== 'none') {
      worst = found;
      if (found.policy === 'reject') break;
    } else if (found.result === 'temperror' && worst.result === 'permerror') worst = found;
  }
  infos.push(
    `dmarc=${worst.result} (${whole.reason ?? 'no author domain'}) header.from=${worst.domain || '?'}`,
  );
  return worst;
}

/** Octets that a signature with `l=` does not cover: mailauth prefers those without. */
const lengthOf = ({ status }: Verified['results'][number]) =>
  'underSized' in status ? { underSized: Number(status.underSized) } : {};

type Evaluated = Exclude<Awaited<ReturnType<typeof evaluateDmarc>>['response'], false>;

const policyOf = ({ status, policy }: Evaluated): NonNullable<MailAuthentication['dmarc']> => ({
  result: status.result,
  domain: String(status.header?.from ?? ''),
  ...(policy !== undefined && { policy }),
});

type Sealing = { signingDomain: string; selector: string; privateKey: string; now: number };

const setsOf = ({ arc }: Verified): number => (arc && 'chain' in arc && arc.chain ? arc.chain.length : 0);

/** RFC 8617 §5.1: on top of a chain that holds, or as its first set. */
async function sealOf(
  verified: Verified,
  { chain, sets, results }: Arrived,
  { now, ...keys }: Sealing,
  marks: string[],
): Promise<string[]> {
  const { headers, arc, seal } = verified;
  if (!arc || (chain.result !== 'none' && chain.result !== 'pass' && !chain.shouldSeal)) return [];
  if (setsOf(verified) !== sets) {
    marks.push('arc seal left to the filter that sealed');
    return [];
  }
  const made = await createSeal(false, {
    headers,
    arc,
    seal: { ...keys, ...seal, cv: chain.result, authResults: results, signTime: new Date(now) },
  });
  for (const error of made.errors)
    marks.push(`arc seal: ${error.err.code ?? error.err.message}`.slice(0, 80));
  return made.headers.map((field) => `${field.replace(/\r?\n/g, '\r\n').trimEnd()}\r\n`);
}
