/** Plays each transcript of this folder in memory and over a socket, whole and octet by octet. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SystemClock } from '../../../src/base/clock.ts';
import { silent } from '../../../src/base/log.ts';
import { type Listeners, listen } from '../../../src/protocol/listen/listen.ts';
import { createPop3Server, type ServerOptions } from '../../../src/protocol/pop3/server.ts';
import { engineOptions, TestAuthenticator, TestMaildrops, talkInMemory } from '../../support/pop3-engine.ts';
import { testTls } from '../../support/smtp-engine.ts';
import { parseTranscript, play, TestClient, type Transcript } from '../../support/smtp-transcript.ts';

const next: { options: ServerOptions } = { options: engineOptions() };
let listeners: Listeners;
let tls: Awaited<ReturnType<typeof testTls>>;

before(async () => {
  tls = await testTls();
  const opened = await listen({
    at: [{ host: '127.0.0.1', port: 0 }],
    engine: createPop3Server(() => next.options, 'on request'),
    connections: 10,
    perClient: 10,
    isPeer: () => false,
    clock: new SystemClock(),
    log: silent,
  });
  assert.ok(opened.kind === 'listening');
  listeners = opened;
});
after(() => listeners.stop(0));

/** The mailbox that the transcripts speak of. */
const mailbox = () =>
  new TestMaildrops(
    'Subject: a\r\n\r\none two\r\n',
    ['.a', ': b\r\n\r', '\n.\r\n..', '\r\n...x\r\n', ''],
    'S: x\r\n\r\n1\r\n2\r\nno end',
  );

function overrides({ options }: Transcript) {
  const authenticator = new TestAuthenticator();
  authenticator.clear = !options.has('clear');
  return { authenticator, maildrops: mailbox(), tls };
}

for (const name of readdirSync(import.meta.dirname).filter((f) => f.endsWith('.txt'))) {
  const transcript = parseTranscript(readFileSync(join(import.meta.dirname, name), 'utf8'));
  describe(`transcript ${name}`, () => {
    for (const where of ['in memory', 'over a socket']) {
      for (const bytewise of transcript.options.has('whole') ? [false] : [false, true]) {
        test(`${where}${bytewise ? ', octet by octet' : ''}`, { timeout: 20_000 }, async () => {
          const given = overrides(transcript);
          next.options = engineOptions(given);
          const client =
            where === 'in memory'
              ? talkInMemory(given).client
              : new TestClient(connect(listeners.bound[0]?.port ?? 0, '127.0.0.1').setNoDelay(true));
          try {
            await play(transcript, client, { kept: [], calls: ['closed'] }, bytewise);
          } finally {
            client.destroy();
          }
          assert.equal(given.maildrops.released, given.maildrops.logins.length);
        });
      }
    }
  });
}
