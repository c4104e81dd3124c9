/**
 * Mail that a courier brings (`restante rmail`, `restante rsmtp`), one at a time: POST /submit has the
 * envelope as a line of JSON and then the content; it is answered when the mail is durable.
 *
 * A mail is taken for all of its recipients that are not refused for good; if one has to wait, for none. A
 * batch that is tried again would bring again what was taken from it the first time: so each of its mails
 * comes with a key, in the trailer, and is known by it until POST /submitted says that the batch is over.
 */
import { DAY } from '../../base/clock.ts';
import { type Reply, reply } from '../../mail/reply.ts';
import { Octets } from '../../protocol/bsmtp/octets.ts';
import { readEnvelope } from '../../protocol/bsmtp/writer.ts';
import { LineCheck } from '../../protocol/smtp/server/content.ts';
import type { ContentSink, Session } from '../../protocol/smtp/session.ts';
import type { Running } from '../port.ts';
import { KEY_TRAILER, SubmitRequest, type Submitted, SubmittedRequest } from './contract.ts';
import { type Answer, type Asked, done, type Endpoint, json, understood } from './endpoint.ts';

const MOST_ENVELOPE = 4 * 1024 * 1024;
const KEPT = 30 * DAY;
const CRLF = Buffer.from('\r\n');
const UNKNOWN = reply(451, '4.7.0', 'No site is known whose mail this neighbour brings');
const NOBODY = reply(554, '5.5.1', 'No recipients');
const FOUL = reply(554, '5.6.0', 'A bare CR, LF or NUL in the mail');

export const submit: Endpoint = {
  method: 'POST',
  path: '/submit',
  raw: true,
  async answer(running, asked): Promise<Answer> {
    const octets = new Octets(asked.stream);
    const request = understood(SubmitRequest, parse(await octets.line(MOST_ENVELOPE)));
    if ('kind' in request) return request;
    const session = running.courier(request.ok.name);
    try {
      return json(await take(running, session, request.ok, octets, asked));
    } finally {
      session.closed();
    }
  },
};

export const submitted: Endpoint = {
  method: 'POST',
  path: '/submitted',
  answer({ brought, clock }, { body }) {
    const request = understood(SubmittedRequest, body);
    if ('kind' in request) return request;
    for (const key of request.ok.keys) brought.delete(key);
    for (const [key, at] of brought.entries()) if (clock.now() - at > KEPT) brought.delete(key);
    return done;
  },
};

async function take(
  running: Running,
  session: Session,
  { by, name, envelope }: SubmitRequest,
  octets: Octets,
  asked: Asked,
): Promise<Submitted> {
  const same = (one: string) => one.toLowerCase() === name.toLowerCase();
  const site = running.config().sites.find((s) => s.neighbour?.by === by && same(s.neighbour.name));
  if (!site) {
    running.log.warn('courier unknown', { by, name });
    return ended(UNKNOWN);
  }
  const read = readEnvelope(envelope);
  if (read.kind === 'bad') return ended(read.reply);
  const protocol = by === 'uucp' ? 'UUCP' : 'NNCP';
  const manner = { helo: name, esmtp: false, courier: { protocol, site: site.name } } as const;
  const mail = await session.mail(read.mail, manner);
  if (mail.code >= 400) return ended(mail);
  const told: { recipient: string; reply: Reply }[] = read.bad.map((b) => ({ ...b }));
  let taken = 0;
  for (const rcpt of read.recipients) {
    const said = await session.rcpt(rcpt);
    if (said.code < 300) taken++;
    else if (said.code < 500) return ended(said, told);
    else told.push({ recipient: rcpt.address, reply: said });
  }
  if (taken === 0) return ended(told[0]?.reply ?? NOBODY, told);
  const sink = await session.content();
  if ('code' in sink) return ended(sink, told);
  return pour(running, sink, octets, asked, told);
}

async function pour(
  { brought, clock }: Running,
  sink: ContentSink,
  octets: Octets,
  asked: Asked,
  told: Submitted['told'],
): Promise<Submitted> {
  const check = new LineCheck();
  for (let chunk = await octets.take(); chunk.length > 0; chunk = await octets.take()) {
    check.look(chunk);
    if (check.foul) break;
    await sink.write(chunk);
  }
  if (check.finish() === 'crlf' && !check.foul) await sink.write(CRLF);
  if (check.foul) {
    sink.abort();
    return ended(FOUL, told);
  }
  const key = asked.trailer(KEY_TRAILER);
  if (key !== undefined && brought.get(key) !== undefined) {
    sink.abort();
    return ended(reply(250, '2.0.0', 'Known: taken before'), told);
  }
  const said = await sink.end();
  if (key !== undefined && said.code < 300) brought.set(key, clock.now());
  return ended(said, told);
}

const ended = (last: Reply, told: Submitted['told'] = []): Submitted => ({
  outcome: last.code < 300 ? 'accepted' : last.code < 500 ? 'deferred' : 'refused',
  reply: last,
  told,
});

function parse(line: Buffer | null): unknown {
  try {
    return JSON.parse(line?.toString() ?? '');
  } catch {
    return undefined;
  }
}
