/**
 * The site's trouble, or the mail's own? (DESIGN.md §5.) A pure function of what the server said at
 * which station. What is the site's trouble fails no mail, whatever the digit: relaying denied, our
 * address listed, refusals of MAIL that are not about this sender, a server that does not understand
 * us. What is the mail's own moves only its own clock.
 *
 * Codes decide where they are clear (RFC 3463, 7372, 7505, the IANA registry); many servers say it
 * only in words, so words decide the rest, without addresses, which may hold any word.
 * RFC 5321 §4.2.2–4, §3.6.2 (relaying), 1870 §6, 2034.
 */
import { domainPart } from '../mail/address.ts';
import type { Envelope } from '../mail/envelope.ts';
import type { Reply } from '../mail/reply.ts';

/** `unclear`: a refusal of MAIL for good that does not say what it is about. */
export type Verdict = 'failed' | 'deferred' | 'trouble' | 'busy' | 'unclear';

const RELAYING =
  /\brelay(ing|ed|s)?\b|rcpthosts|non-?accepted domain|(domain|host) (is )?not (hosted|accepted|served|handled)/;
const USER_UNKNOWN = /unknown|no such|not exist|not found|recipient table|mailbox|no user/;
const LISTS =
  /\b(dnsbl|rbl|spamhaus|spamcop|barracuda|sorbs|uceprotect|black ?list(ed)?|block ?list(ed)?|deny ?list(ed)?)\b/;
const OUR_HOST =
  /client host|\b(your|sending|connecting|remote|client) (ip|host|server|mta|address|network)\b|\bsender ip\b|\bip address\b|\b\d{1,3}(\.\d{1,3}){3}\b/;
const BLOCKED =
  /\b(block(ed)?|banned|listed|denied|refused|rejected|reputation|not (allowed|permitted|accepted))\b/;
const GREYLISTING = /gr[ae]y ?-?list|try (again )?later|temporar/;
const ABOUT_SENDER =
  /\b(spf|dmarc|dkim|sender|return[- ]?path|reverse[- ]?path|mail from|from address|envelope from|originator)\b/;

/** MAIL was refused with 4yz or 5yz. `named`: it judges the client that gave us the mail, whom we named, and not us. */
export function judgeMail(reply: Reply, envelope: Envelope, sized: boolean, named = false): Verdict {
  const own = reply.code >= 500 ? 'failed' : 'deferred';
  const words = wordsOf(reply, envelope);
  // RFC 1870 §6.1: about the size of this mail. 452 is also said for want of room for it.
  if (reply.code === 552 || is(reply, '3.4')) return own;
  if (reply.code === 452 && sized) return 'deferred';
  if (isAboutUs(reply, words)) return named ? own : 'trouble';
  // Policy: it is asked of that client.
  if (named && /^[45]\.7\./.test(reply.enhanced ?? '') && !isMisunderstanding(reply)) return own;
  if (isAboutSender(reply, words, envelope)) return own;
  return reply.code < 500 ? 'busy' : isMisunderstanding(reply) ? 'trouble' : 'unclear';
}

/** RCPT was refused with 4yz or 5yz. */
export function judgeRcpt(reply: Reply, envelope: Envelope, named = false): Verdict {
  const words = wordsOf(reply, envelope);
  if (isRelaying(reply, words) || isMisunderstanding(reply)) return 'trouble';
  if (!named && isAboutUs(reply, words)) return 'trouble';
  return reply.code >= 500 ? 'failed' : 'deferred';
}

/** DATA, BDAT or the content was refused with 4yz or 5yz. */
export function judgeContent(reply: Reply, envelope: Envelope, named = false): Verdict {
  if (isMisunderstanding(reply) || (!named && isAboutUs(reply, wordsOf(reply, envelope)))) return 'trouble';
  // Too many hops: the mail's, or a site that sends in a circle. Only time tells; nothing is failed by it.
  if (is(reply, '4.6')) return 'deferred';
  return reply.code >= 500 ? 'failed' : 'deferred';
}

/**
 * RFC 5321 §4.5.3.1.10: no more recipients in this transaction; the rest in another. 452 is also said of
 * one full mailbox and of want of storage, 552 of one mailbox; with enhanced codes they differ.
 */
export function isTooMany(reply: Reply): boolean {
  if (reply.code !== 452 && reply.code !== 552) return false;
  if (is(reply, '5.3')) return true;
  return reply.enhanced === undefined && !/mailbox|quota|storage|space|full/i.test(reply.text.join(' '));
}

function isRelaying(reply: Reply, words: string): boolean {
  if (
    reply.enhanced !== undefined &&
    !/^[45]\.7\.|^[45]\.1\.2$|^[45]\.4\.[14]$|^[45]\.0\.0$/.test(reply.enhanced)
  ) {
    return false;
  }
  return RELAYING.test(words) && (is(reply, '7.1') || !USER_UNKNOWN.test(words));
}

/** Our own address or name is what it does not like. */
function isAboutUs(reply: Reply, words: string): boolean {
  // RFC 7372: reverse DNS of the client failed.
  if (is(reply, '7.25')) return true;
  if (/\b(spf|dmarc|dkim)\b/.test(words)) return false;
  if (LISTS.test(words)) return !/\b(sender (address|domain)|recipient)\b/.test(words);
  if (reply.code < 500 && GREYLISTING.test(words)) return false;
  return OUR_HOST.test(words) && BLOCKED.test(words);
}

function isAboutSender(reply: Reply, words: string, envelope: Envelope): boolean {
  // 1.7, 1.8: the sender's address; 7.20–24, 26, 27: its authentication, its null MX; 6.7: SMTPUTF8.
  if (
    ['1.7', '1.8', '7.20', '7.21', '7.22', '7.23', '7.24', '7.26', '7.27', '6.7'].some((d) => is(reply, d))
  ) {
    return true;
  }
  if (ABOUT_SENDER.test(words)) return true;
  const text = reply.text.join(' ').toLowerCase();
  const domain = domainPart(envelope.sender).toLowerCase();
  return domain !== '' && text.includes(domain);
}

/** It does not know our commands, or wants something first: no mail is at fault. 501 may be about the address. */
const isMisunderstanding = (reply: Reply): boolean =>
  [500, 502, 503, 504, 530, 535, 538].includes(reply.code);

/** `detail`: the subject and detail of an enhanced code. */
const is = (reply: Reply, detail: string): boolean => reply.enhanced?.slice(2) === detail;

/** Lower case, without the addresses of this mail and what stands in angle brackets. */
function wordsOf(reply: Reply, envelope: Envelope): string {
  let text = reply.text.join(' ').toLowerCase();
  for (const { address } of envelope.recipients) text = text.replaceAll(address.toLowerCase(), ' ');
  if (envelope.sender !== '') text = text.replaceAll(envelope.sender.toLowerCase(), ' ');
  return text.replace(/<[^>]*>/g, ' ');
}
