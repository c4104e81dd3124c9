/** An Ed25519 key pair as OpenSSH keeps it in files: an end calls with it. PROTOCOL.key of OpenSSH; RFC 8709. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { SshKey } from './plan.ts';

const string = (octets: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(octets.byteLength);
  return Buffer.concat([length, octets]);
};
const text = (words: string): Buffer => string(Buffer.from(words));

export function sshKey(comment: string): SshKey {
  const pair = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(pair.d ?? '', 'base64url');
  const point = Buffer.from(pair.x ?? '', 'base64url');
  // RFC 8709 §4: the name of the format, then the 32 octets of the key.
  const blob = Buffer.concat([text('ssh-ed25519'), string(point)]);
  const check = randomBytes(4);
  const inner = Buffer.concat([check, check, blob, string(Buffer.concat([seed, point])), text(comment)]);
  const padding = Buffer.from(Array.from({ length: (8 - (inner.length % 8)) % 8 }, (_, i) => i + 1));
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    Buffer.from([0, 0, 0, 1]),
    string(blob),
    string(Buffer.concat([inner, padding])),
  ]);
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? [];
  return {
    secret: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    public: `ssh-ed25519 ${blob.toString('base64')} ${comment}`,
  };
}
