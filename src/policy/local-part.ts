/**
 * Local parts as they are compared: without case, and with quotes only where they are needed,
 * since `"joe"@x` and `joe@x` are one mailbox (RFC 5321 §4.1.2). For comparing only: what is
 * handed over keeps the spelling of the sender.
 */

/** What the quotes hold; the text itself if there are none. RFC 5321 §4.1.2, Quoted-string. */
export function unquoted(local: string): string {
  if (!local.startsWith('"')) return local;
  return local.slice(1, local.endsWith('"') ? -1 : undefined).replace(/\\(.)/gs, '$1');
}

/** Two local parts with one canonical form are one mailbox. */
export function canonicalLocal(local: string): string {
  const plain = unquoted(local).normalize('NFC').toLowerCase();
  // The quotes stay where an @ within could be taken for the one before the domain.
  return /[\s"(),:;<>@[\\\]]/.test(plain) ? `"${plain}"` : plain;
}

/** RFC 5321 §4.5.1: in any case. */
export const isPostmaster = (local: string): boolean => canonicalLocal(local) === 'postmaster';
