/** Plays each transcript of this folder in memory and over a socket, whole and octet by octet. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { reply } from '../../../src/mail/reply.ts';
import { ODMR } from '../../../src/protocol/smtp/server/verbs/index.ts';
import { fakeAuthenticator } from '../../support/fake-authenticator.ts';
import {
  LoopbackEngine,
  type Overrides,
  type Talk,
  talkInMemory,
  testTls,
} from '../../support/smtp-engine.ts';
import { TestSession } from '../../support/smtp-session.ts';
import { parseTranscript, play, type Transcript } from '../../support/smtp-transcript.ts';

let tls: Awaited<ReturnType<typeof testTls>>;
let engine: LoopbackEngine;

before(async () => {
  tls = await testTls();
  engine = await LoopbackEngine.start();
});
after(() => engine.stop());

function overrides({ options }: Transcript): Overrides {
  const session = new TestSession();
  if (options.has('refuse')) session.refusal = reply(554, '5.7.1', 'Go away');
  if (options.has('waits')) session.waits = true;
  return {
    session,
    ...(options.has('notls') ? {} : { tls }),
    ...(options.has('etrn') ? { etrn: true } : {}),
    ...(options.has('front') ? { isFront: () => true } : {}),
    ...(options.has('odmr') ? { service: ODMR } : {}),
    ...(options.has('logins') ? { authenticator: fakeAuthenticator } : {}),
    ...(options.has('maxRecipients') ? { maxRecipients: Number(options.get('maxRecipients')) } : {}),
    ...(options.has('sizeLimit') ? { sizeLimit: Number(options.get('sizeLimit')) } : {}),
  };
}

const ways: Record<string, (o: Overrides) => Talk | Promise<Talk>> = {
  'in memory': talkInMemory,
  'over a socket': (o) => engine.talk(o),
};

for (const name of readdirSync(import.meta.dirname).filter((f) => f.endsWith('.txt'))) {
  const transcript = parseTranscript(readFileSync(join(import.meta.dirname, name), 'utf8'));
  describe(`transcript ${name}`, () => {
    for (const [way, talk] of Object.entries(ways)) {
      for (const bytewise of transcript.options.has('whole') ? [false] : [false, true]) {
        test(`${way}${bytewise ? ', octet by octet' : ''}`, { timeout: 20_000 }, async () => {
          const { client, session } = await talk(overrides(transcript));
          try {
            await play(transcript, client, session, bytewise);
          } finally {
            client.destroy();
          }
        });
      }
    }
  });
}
