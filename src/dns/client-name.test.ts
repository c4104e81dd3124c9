import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientName, verifiedName } from './client-name.ts';
import { MemoryResolver } from './memory.ts';

const ADDRESS = '192.0.2.7';

describe("a client's name", () => {
  test('is one that points back', async () => {
    const dns = new MemoryResolver().set('ptr', ADDRESS, 'forged.example', 'mail.example');
    assert.equal(await verifiedName(dns, ADDRESS), undefined);
    dns.setAddresses('forged.example', '192.0.2.8').setAddresses('mail.example', '192.0.2.9', ADDRESS);
    assert.equal(await verifiedName(dns, ADDRESS), 'mail.example');
    dns.set('ptr', '2001:db8::7', 'six.example').setAddresses('six.example', '2001:db8::7');
    assert.equal(await verifiedName(dns, '2001:db8::7'), 'six.example');
  });

  test('is unknown where DNS says nothing', async () => {
    const dns = new MemoryResolver();
    assert.equal(await verifiedName(dns, ADDRESS), undefined);
    assert.deepEqual(await clientName(dns, ADDRESS), { kind: 'none' });
    assert.equal(await verifiedName(dns.fail(), ADDRESS), undefined);
    assert.deepEqual(await clientName(dns, ADDRESS), { kind: 'failed' });
  });

  test('is not looked for behind ever so many names', async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `n${i}.example`);
    const dns = new MemoryResolver().set('ptr', ADDRESS, ...names).setAddresses('n999.example', ADDRESS);
    assert.equal(await verifiedName(dns, ADDRESS), undefined);
    assert.ok(dns.asked.length < 10);
  });
});
