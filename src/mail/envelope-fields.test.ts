import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { extentOf } from './envelope.ts';
import {
  envelopeFields,
  envelopeFieldsLength,
  RECIPIENT_FIELDS,
  type RecipientField,
  renameFields,
} from './envelope-fields.ts';

async function renamed(
  text: string,
  field: RecipientField = 'X-Envelope-To',
  cuts: readonly number[] = [],
): Promise<string> {
  const octets = Buffer.from(text, 'latin1');
  const places = [0, ...cuts.map((c) => c % (octets.length + 1)).sort((a, b) => a - b), octets.length];
  async function* chunks() {
    for (let i = 1; i < places.length; i++) yield octets.subarray(places[i - 1], places[i]);
  }
  const out: Uint8Array[] = [];
  for await (const chunk of renameFields(chunks(), field)) out.push(chunk);
  assert.equal(octets.toString('latin1'), text, 'what came is not touched');
  return Buffer.concat(out).toString('latin1');
}

describe('the envelope as fields', () => {
  test('names the sender, and all recipients in one field', () => {
    const to = [{ address: 'a@x' }, { address: '"b, c"@x' }];
    assert.equal(
      envelopeFields('s@y', to, 'X-Envelope-To'),
      'Return-Path: <s@y>\r\nX-Envelope-To: a@x, "b, c"@x\r\n',
    );
    assert.equal(
      envelopeFields('', [{ address: 'a@x' }], 'Delivered-To'),
      'Return-Path: <>\r\nDelivered-To: a@x\r\n',
    );
  });

  test('folds a long list, an address a line', () => {
    const to = Array.from({ length: 3 }, (_, i) => ({
      address: `somebody.with.a.long.name.${i}@example.net`,
    }));
    assert.equal(
      envelopeFields('s@y', to, 'X-Original-To'),
      'Return-Path: <s@y>\r\nX-Original-To: somebody.with.a.long.name.0@example.net,\r\n' +
        ' somebody.with.a.long.name.1@example.net,\r\n somebody.with.a.long.name.2@example.net\r\n',
    );
  });

  test('is as long as its extent says, whatever the addresses', () => {
    const address = fc.string({ unit: 'grapheme', maxLength: 40 });
    const list = fc.array(address, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(address, list, fc.constantFrom(...RECIPIENT_FIELDS), (sender, addresses, field) => {
        const to = addresses.map((a) => ({ address: a }));
        const length = Buffer.byteLength(envelopeFields(sender, to, field));
        assert.equal(envelopeFieldsLength(extentOf(sender, to), field), length);
      }),
    );
  });
});

describe('fields of a sender that would pass for ours', () => {
  const FORGED =
    'Received: by us\r\nReturn-path: <forged@x>\r\nX-ENVELOPE-TO : victim@x\r\n folded@x\r\n' +
    'Return-Pathology: kept\r\nX-Envelope-To\r\nDelivered-To: kept\r\n' +
    'Subject: Return-Path: kept\r\n X-Envelope-To: kept\r\n\r\nReturn-Path: kept\r\n';
  const HONEST =
    'Received: by us\r\nX-Orig-Path: <forged@x>\r\nX-Orig-Env-To : victim@x\r\n folded@x\r\n' +
    'Return-Pathology: kept\r\nX-Envelope-To\r\nDelivered-To: kept\r\n' +
    'Subject: Return-Path: kept\r\n X-Envelope-To: kept\r\n\r\nReturn-Path: kept\r\n';

  test('are renamed, in the header only, and nothing else is touched', async () => {
    assert.equal(await renamed(FORGED), HONEST);
  });

  test('however the content is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 30 }), async (cuts) => {
        assert.equal(await renamed(FORGED, 'X-Envelope-To', cuts), HONEST);
      }),
    );
    const each = Array.from({ length: FORGED.length }, (_, i) => i);
    assert.equal(await renamed(FORGED, 'X-Envelope-To', each), HONEST);
  });

  test('by the name that was chosen', async () => {
    for (const [field, other] of [
      ['X-Envelope-To', 'X-Orig-Env-To'],
      ['Delivered-To', 'X-Orig-Dl-To'],
      ['X-Original-To', 'X-Orig-Org-To'],
    ] as const) {
      assert.equal(await renamed(`${field}: a\r\n\r\n`, field), `${other}: a\r\n\r\n`);
    }
  });

  test('content without a header, or without an end, comes through', async () => {
    for (const text of [
      '',
      '\r\n',
      '\r\nReturn-Path: a\r\n',
      'Return-Pat',
      'x',
      'Return-Path',
      'a: b\r\nRet',
    ]) {
      assert.equal(await renamed(text), text);
    }
  });
});
