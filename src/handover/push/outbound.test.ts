import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { cleanUp, line, ourselves, parcel, primary, short, trouble } from '../../../test/support/lines.ts';
import { SystemClock } from '../../base/clock.ts';
import { silent } from '../../base/log.ts';
import type { Outbound } from '../../config/config.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import { outboundHandover } from './outbound.ts';

afterEach(cleanUp);

describe('outbound', async () => {
  const pems = await generate([{ name: 'commonName', value: 'smart.test' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  });
  const means = { clock: new SystemClock(), log: silent, ourselves, random: () => 0 };
  const out = (resolver: MemoryResolver, way: Outbound, mxPort = 25) =>
    outboundHandover({ ...means, domain: 'far.test', way, resolver, mxPort });

  test('a domain that does not exist, or takes no mail, says so for good; a silent DNS does not', async () => {
    const mx: Outbound = { kind: 'mx' };
    const gone = await trouble(out(new MemoryResolver(), mx));
    assert.equal(gone.permanent?.enhanced, '5.1.2');
    const nullMx = await trouble(out(new MemoryResolver().setMx('far.test', [0, '']), mx));
    assert.equal(`${nullMx.permanent?.code} ${nullMx.permanent?.enhanced}`, '556 5.1.10');
    const silentDns = await trouble(out(new MemoryResolver().fail(), mx));
    assert.equal(silentDns.permanent, undefined);
    assert.equal(silentDns.cause, 'dns');
  });

  test('mail goes to the exchangers, a dead one first', async () => {
    const fake = await primary();
    const dns = new MemoryResolver()
      .setMx('far.test', [10, 'dead.test'], [20, 'live.test'])
      .setAddresses('dead.test', '127.0.0.3')
      .setAddresses('live.test', '127.0.0.1');
    const l = await line(out(dns, { kind: 'mx' }, fake.port));
    assert.equal(l.best, false);
    assert.equal(short(await l.give(parcel())), 'delivered');
  });

  for (const mechanism of ['PLAIN', 'LOGIN']) {
    test(`a smart host gets the password by AUTH ${mechanism} under TLS only`, async () => {
      const auth = { user: 'me', password: 'secret' };
      const tls = { key: pems.private, cert: pems.cert };
      const fake = await primary({ tls, keywords: ['PIPELINING', `AUTH ${mechanism}`] });
      const way = (port: number): Outbound => ({
        kind: 'smarthost',
        host: '127.0.0.1',
        port,
        tls: { kind: 'may' },
        auth,
      });
      const l = await line(out(new MemoryResolver(), way(fake.port)));
      assert.equal(short(await l.give(parcel())), 'delivered');
      assert.ok(fake.commands.some((c) => c.startsWith(`AUTH ${mechanism}`)));
      const clear = await primary({ keywords: ['PIPELINING', `AUTH ${mechanism}`] });
      assert.equal((await trouble(out(new MemoryResolver(), way(clear.port)))).cause, 'refused');
      assert.ok(!clear.commands.some((c) => c.startsWith('AUTH')));
    });
  }
});
