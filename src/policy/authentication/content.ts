/**
 * The look at content: DKIM, DMARC and ARC by threads (`workers.ts`), Authentication-Results on top, and fields that
 * others made in our name taken away. What is found goes into the mail's findings; DMARC refuses by choice only.
 *
 * Promises: a mail is never refused for good while DNS leaves in doubt whether it might have passed; what is skipped
 * is marked, and refuses nobody. Not asked for `peers:` (their address is not the sender's) and for mail that a
 * site sends by its rule.
 *
 * RFC 8601 §5 (forged fields); RFC 9989 §5.3 (policy), RFC 7208 §8.6 (temperror).
 */
import { isIP } from 'node:net';
import type { Authentication } from '../../config/config.ts';
import { HeaderCollector, headerEnd } from '../../mail/header.ts';
import type { HeaderEdit } from '../../mail/header-edit.ts';
import type { Findings } from '../findings.ts';
import type { Inspected, Inspection, Inspector, Opinion, Whole } from '../inspect.ts';
import { defer, type Refusal, reject } from '../verdict.ts';
import type { Arrived, Examined } from './examine.ts';
import { forgedResults, resultsBody, resultsField, spfInfo } from './results.ts';
import type { Examination, Skipped, Workers } from './workers.ts';

export interface ContentOptions {
  /** As it is now. */
  readonly settings: () => Authentication;
  readonly workers: Pick<Workers, 'begin'>;
  readonly now: () => number;
}

export class AuthenticationInspector implements Inspector {
  readonly name = 'authentication';
  readonly #options: ContentOptions;

  constructor(options: ContentOptions) {
    this.#options = options;
  }

  begin(mail: Inspected): Inspection | undefined {
    const settings = this.#options.settings();
    const { trusted, peer } = mail.visit;
    if (trusted || isIP(peer.address) === 0 || mail.sending) return undefined;
    if (!settings.dkim && !settings.results) return undefined;
    return new Look(mail, settings, this.#options);
  }
}

class Look implements Inspection {
  readonly #mail: Inspected;
  readonly #settings: Authentication;
  readonly #now: () => number;
  readonly #header?: HeaderCollector;
  #inHeader = true;
  readonly #begin: () => Examination | Skipped;
  #examination?: Examination | Skipped;
  /** What was put on top. */
  #sealed?: Pick<Examined, 'seal' | 'arrived'>;

  constructor(mail: Inspected, settings: Authentication, { workers, now }: ContentOptions) {
    this.#mail = mail;
    this.#settings = settings;
    this.#now = now;
    if (settings.results) this.#header = new HeaderCollector();
    this.#begin = () => workers.begin();
    if (settings.dkim) this.#examination = this.#begin();
  }

  write(chunk: Uint8Array): void {
    if (this.#header && this.#inHeader) this.#inHeader = this.#header.add(chunk);
    if (this.#examination && 'write' in this.#examination) this.#examination.write(chunk);
  }

  async end(): Promise<Opinion> {
    const { findings } = this.#mail;
    const examined = await this.#examined();
    if (examined) {
      findings.authentication = { ...findings.authentication, ...examined.authentication };
      for (const mark of examined.marks) findings.mark(mark);
    }
    const refusal = examined && this.#settings.dmarc === 'obey' ? refusalOf(examined, findings) : null;
    if (refusal) return refusal;
    if (examined) this.#sealed = examined;
    return { kind: 'accept', edits: this.#onTop(examined, findings) };
  }

  /** A seal over what the mail was would be broken: it is made again, over what will be written. */
  async rewritten({ header, body }: Whole): Promise<void> {
    const { seal = [], arrived } = this.#sealed ?? {};
    if (seal.length === 0 || !arrived) return;
    const { fields } = this.#mail.findings;
    fields.splice(0, fields.length, ...fields.filter((field) => !seal.includes(field)));
    const examination = this.#begin();
    this.#examination = examination;
    if ('write' in examination) {
      if (header) examination.write(header);
      try {
        for await (const piece of body()) {
          // Nobody waits for us but the sender, and what is lost by haste is the seal.
          await examination.room();
          examination.write(piece);
        }
      } catch (fault) {
        // A seal is not worth a mail; what becomes of one that can't be read, its commit decides.
        examination.abort();
        this.#mail.findings.mark(`arc seal skipped: the mail could not be read: ${String(fault)}`);
        return;
      }
    }
    const examined = await this.#examined('arc seal', arrived);
    for (const mark of examined?.marks ?? []) this.#mail.findings.mark(mark);
    fields.push(...(examined?.seal ?? []));
  }

  abort(): void {
    if (this.#examination && 'write' in this.#examination) this.#examination.abort();
  }

  /** Null: nothing was examined; why is marked. */
  async #examined(what = 'dkim', arrived?: Arrived): Promise<Examined | null> {
    const { findings, mail } = this.#mail;
    const examination = this.#examination;
    if (!examination) return null;
    const facts = { sender: mail.sender, now: this.#now(), ...(arrived && { arrived }) };
    const spf = findings.authentication?.spf;
    const got =
      'write' in examination ? await examination.end({ ...facts, ...(spf && { spf }) }) : examination;
    if (!('skipped' in got)) return got;
    findings.mark(`${what} skipped: ${got.skipped}`);
    return null;
  }

  #onTop(examined: Examined | null, findings: Findings): HeaderEdit[] {
    const { authservId } = this.#settings;
    if (!this.#header) {
      findings.fields.push(...(examined?.seal ?? []));
      return [];
    }
    const body =
      examined?.results ??
      resultsBody(authservId, spfInfo(findings.authentication?.spf, this.#mail.mail.sender));
    findings.fields.push(resultsField(body), ...(examined?.seal ?? []));
    const header = this.#header.gathered();
    return forgedResults(header.subarray(0, headerEnd(header) ?? header.length), authservId);
  }
}

/** By the policy of the author's domain. In doubt 4yz, never 5yz. */
function refusalOf({ doubtful }: Examined, { authentication }: Findings): Refusal | null {
  const { spf, dkim, dmarc } = authentication ?? {};
  if (!dmarc) return null;
  const { domain, result, policy } = dmarc;
  const seen = `SPF ${spf?.result ?? 'not asked'} for ${spf?.domain ?? '?'}, DKIM ${dkim?.result ?? 'not asked'}`;
  const why = `DMARC ${result} for ${domain} (policy ${policy ?? 'unknown'}): ${seen}`;
  if (result === 'temperror' || (result === 'fail' && policy === 'reject' && doubtful)) {
    return defer(451, '4.7.1', `The DMARC policy of ${domain} cannot be looked up, try again later`, why);
  }
  if (result !== 'fail' || policy !== 'reject') return null;
  return reject(550, '5.7.1', `The DMARC policy of ${domain} refuses mail that it does not prove`, why);
}
