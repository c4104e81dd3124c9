/**
 * SASLprep: makes names and passwords comparable before they are hashed or looked up. RFC 4013, on
 * RFC 3454.
 *
 * Honestly: it uses the Unicode of this node where the RFC names Unicode 3.2, so that newer characters are
 * allowed; all format characters (Cf) are prohibited, a few more than in the RFC's tables; right to left
 * is told by script. For ASCII, and for the letters of living languages, the results are the RFC's.
 */

// RFC 3454 table C.1.2: become a space.
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
// Table B.1: become nothing. Alternatives rather than a class, since some of them combine.
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
// Tables C.2 to C.9, and A.1 (unassigned). NFKC has undone U+0340 and U+0341.
const PROHIBITED = /[\p{C}\p{Zl}\p{Zp}\u2ff0-\u2ffb\ufffc\ufffd]/u;
const RIGHT_TO_LEFT = /[[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}]&&\p{L}]/v;
const LEFT_TO_RIGHT = /[\p{L}--[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}]]/v;

/** Null: holds what is prohibited. */
export function saslprep(text: string): string | null {
  if (/^[ -~]*$/.test(text)) return text;
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC');
  return PROHIBITED.test(prepared) || badDirection(prepared) ? null : prepared;
}

/** RFC 3454 §6. */
function badDirection(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return false;
  const letters = [...text];
  const ends = [letters.at(0) ?? '', letters.at(-1) ?? ''];
  return LEFT_TO_RIGHT.test(text) || !ends.every((letter) => RIGHT_TO_LEFT.test(letter));
}

/** The same password for a `secret set` here and a login there. What cannot be prepared is nobody's. */
export const prepared = (text: string): string => saslprep(text) ?? text;
