/**
 * The mails of the peer tests: message number n of a corpus is always the same octets, so that sender
 * and examiner need to share nothing but the number. Promises: CRLF line ends, no bare CR, LF or NUL;
 * a unique Message-ID; `X-Lab-SHA256` is the digest of the body. The content has what relays are
 * known to change: dots at the start of lines, long lines, 8-bit octets, blanks at line ends, folded
 * and repeated header fields.
 */
import { createHash } from 'node:crypto';

export interface CorpusSpec {
  /** Names the corpus: part of each Message-ID. */
  readonly name: string;
  readonly count: number;
  /** Octets of body, least and most. */
  readonly size: readonly [number, number];
  readonly sender: string;
  /** Mail goes to the first; every tenth to several of it, every eighth to all domains at once. */
  readonly domains: readonly string[];
  /** Octets of the body of number 0 instead. */
  readonly first?: number;
  /** Longest line; some programs refuse what is longer than they like. */
  readonly longest?: number;
}

export interface CorpusMail {
  readonly number: number;
  readonly messageId: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly content: Buffer;
}

/** xorshift32: small, and the same everywhere. */
function dice(seed: number): (below: number) => number {
  let x = (seed * 2654435761 + 0x9e3779b9) >>> 0 || 1;
  return (below) => {
    x = (x ^ (x << 13)) >>> 0;
    x = (x ^ (x >>> 17)) >>> 0;
    x = (x ^ (x << 5)) >>> 0;
    return x % below;
  };
}

function recipients(spec: CorpusSpec, n: number): string[] {
  const home = spec.domains[0] ?? 'invalid';
  if (n % 8 === 3) return spec.domains.map((d, i) => `u${n}.${i}@${d}`);
  if (n % 10 === 5) return Array.from({ length: 2 + (n % 5) }, (_, i) => `u${n}.${i}@${home}`);
  return [`u${n}@${spec.domains[n % spec.domains.length] ?? home}`];
}

const TRAPS = [
  '.',
  '..',
  '.hidden',
  '.\t',
  '',
  ' leading',
  'trailing \t ',
  'From here',
  '\xe9\xfc\xdf 8-bit \xff',
  '=20',
];

/** Lines are cut out of one piece of noise: cheap enough for a corpus of 100 MB. */
const NOISE = (() => {
  const roll = dice(4711);
  const noise = Buffer.alloc(16_384);
  for (let i = 0; i < noise.length; i++) noise[i] = 0x20 + roll(0x5f);
  return noise;
})();

function body(spec: CorpusSpec, n: number): Buffer {
  const roll = dice(n + 1);
  const [least, most] = spec.size;
  const size = n === 0 && spec.first ? spec.first : least + roll(most - least + 1);
  const out = Buffer.alloc(size);
  let at = 0;
  while (at < size - 2) {
    const kind = roll(40);
    let line: Buffer;
    if (kind < 4) line = Buffer.from(TRAPS[roll(TRAPS.length)] ?? '', 'latin1');
    else {
      const length = kind === 4 ? 900 + roll((spec.longest ?? 3000) - 900) : roll(200);
      const from = roll(NOISE.length - 4000);
      line = NOISE.subarray(from, from + length);
    }
    at += line.copy(out, at, 0, Math.max(0, size - 2 - at));
    at += out.write('\r\n', at, 'latin1');
  }
  return out.subarray(0, at);
}

export function corpusMail(spec: CorpusSpec, n: number): CorpusMail {
  const content = body(spec, n);
  const to = recipients(spec, n);
  const messageId = `<${spec.name}.${n}@lab.test>`;
  const header = [
    `From: "Lab, ${n}" <${spec.sender}>`,
    `To: ${to.join(',\r\n\t')}`,
    `Subject:  number ${n} \t`,
    `Date: Mon, 2 Jun 2025 10:00:00 +0200`,
    `Message-ID: ${messageId}`,
    `X-Lab-SHA256: ${createHash('sha256').update(content).digest('hex')}`,
    'x-lab-repeated: one',
    'X-Lab-Repeated:two',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: 8bit',
  ];
  return {
    number: n,
    messageId,
    sender: spec.sender,
    recipients: to,
    content: Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`, 'latin1'), content]),
  };
}
