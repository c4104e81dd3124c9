/**
 * Who sends: a thousand domains, each with an SPF record that includes another one, a DKIM key and a DMARC policy; and a
 * signed mail for each. smtp-source sends one and the same mail over and over: what is found out about a mail's
 * content is kept nowhere, so each copy is examined anew.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sealMessage } from 'mailauth';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';

const DOMAINS = 1000;
/** Whose SPF records the others include. */
const PROVIDERS = 20;
const SELECTOR = 's1';
const BITS = 2048;
const TTL = 300;
/** Who passed the mail on before us. */
const SEALER = 'list.test';
/** Any name below it is a domain that sends. */
export const FRESH = 'fresh.test';

export class Senders {
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: BITS });
  readonly #folder: string;
  readonly #signed = new Map<string, Promise<string>>();
  #next = 0;

  /** `folder`: for the signed mails; in memory. */
  constructor(folder: string) {
    this.#folder = join(folder, 'signed');
    mkdirSync(this.#folder);
  }

  get key(): string {
    return this.#keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** The next domain, round and round. */
  next(): string {
    return domain(this.#next++ % DOMAINS);
  }

  /** The key records as names and texts. */
  keyRecords(): [name: string, text: string][] {
    const known = this.#keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const all = [...Array.from({ length: DOMAINS }, (_, i) => domain(i)), SEALER];
    return all.map((each) => [`${SELECTOR}._domainkey.${each}`, `v=DKIM1; k=rsa; p=${known}`]);
  }

  /** The zone `test`. */
  zone(): string {
    const records: [name: string, text: string][] = [
      ['b.test', 'v=spf1 include:_spf.p0.test -all'],
      [`*.${FRESH}`, 'v=spf1 include:_spf.p0.test -all'],
      ...this.keyRecords(),
    ];
    for (let i = 0; i < PROVIDERS; i++) {
      const spf = `_spf.p${i}.test`;
      records.push([spf, `v=spf1 include:_a.${spf} include:_b.${spf} ~all`]);
      records.push([`_a.${spf}`, 'v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all']);
      records.push([`_b.${spf}`, 'v=spf1 ip4:203.0.113.0/24 ip4:127.0.0.0/8 ~all']);
    }
    for (let i = 0; i < DOMAINS; i++) {
      records.push([domain(i), `v=spf1 include:_spf.p${i % PROVIDERS}.test -all`]);
      records.push([`_dmarc.${domain(i)}`, 'v=DMARC1; p=reject']);
    }
    const texts = records.map(([name, text]) => `${name}. TXT ${strings(text)}\n`);
    return `$TTL ${TTL}\ntest. SOA ns.test. root.test. 1 3600 600 86400 ${TTL}\ntest. NS ns.test.\nns.test. A 127.0.0.1\n${texts.join('')}`;
  }

  /** A file with a mail of this domain, signed by it and sealed by a list, as smtp-source reads it. */
  signed(from: string, size: number): Promise<string> {
    const name = `${from}-${size}`;
    const known = this.#signed.get(name);
    if (known) return known;
    const made = this.#sign(from, size).then((mail) => {
      const file = join(this.#folder, name);
      writeFileSync(file, mail.replaceAll('\r\n', '\n'));
      return file;
    });
    this.#signed.set(name, made);
    return made;
  }

  async #sign(from: string, size: number): Promise<string> {
    const line = `${'x'.repeat(72)}\r\n`;
    const head = `From: <a@${from}>\r\nTo: <u@example.test>\r\nSubject: t\r\nDate: Tue, 24 Nov 2026 01:00:00 +0000\r\nMessage-Id: <1@${from}>\r\n`;
    const mail = `${head}\r\n${line.repeat(Math.ceil(size / line.length))}`;
    const one = { signingDomain: from, selector: SELECTOR, privateKey: this.key };
    const made = await dkimSign(mail, {
      ...one,
      canonicalization: 'relaxed/relaxed',
      signatureData: [one],
    });
    const [fault] = made.errors;
    if (fault) throw fault.err;
    const signed = `${made.signatures.trimEnd()}\r\n${mail}`;
    const authResults = `${SEALER}; dkim=pass header.d=${from}`;
    const seal = await sealMessage(signed, { ...one, signingDomain: SEALER, authResults, cv: 'none' });
    return `${seal.toString('latin1').trimEnd()}\r\n${signed}`;
  }
}

const domain = (i: number): string => `d${i}.test`;

/** A text of a zone file, in strings of 255 octets at most. */
const strings = (text: string): string =>
  (text.match(/.{1,255}/g) ?? []).map((each) => `"${each}"`).join(' ');
