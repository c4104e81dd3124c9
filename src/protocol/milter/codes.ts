/**
 * The numbers of the milter protocol, version 6: commands to a filter, answers of it, and what both may agree on
 * in their negotiation. There is no RFC; these are the names and values of sendmail's libmilter (mfdef.h), which
 * Postfix speaks too (milter8.c).
 */

/** The newest version that we speak, and the oldest that we bear. */
export const VERSION = 6;
export const OLDEST = 2;

/** Commands; the letter is what stands on the wire. */
export const COMMAND = {
  abort: 'A',
  body: 'B',
  connect: 'C',
  macro: 'D',
  endOfBody: 'E',
  helo: 'H',
  header: 'L',
  mail: 'M',
  endOfHeader: 'N',
  negotiate: 'O',
  quit: 'Q',
  /** Quit, and another session on the same connection: version 6. */
  quitAndGoOn: 'K',
  rcpt: 'R',
  data: 'T',
  unknown: 'U',
} as const;

/** What is told of a mail or its connection, and may be answered. */
export type Step =
  | 'connect'
  | 'helo'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'unknown'
  | 'header'
  | 'endOfHeader'
  | 'body'
  | 'endOfBody';

/** SMFIP_NO…: the filter does not want to hear of it. */
export const UNWANTED: Partial<Record<Step, number>> = {
  connect: 1 << 0,
  helo: 1 << 1,
  mail: 1 << 2,
  rcpt: 1 << 3,
  body: 1 << 4,
  header: 1 << 5,
  endOfHeader: 1 << 6,
  unknown: 1 << 8,
  data: 1 << 9,
};

/** SMFIP_NR_…: the filter will not answer. */
export const UNANSWERED: Partial<Record<Step, number>> = {
  header: 1 << 7,
  connect: 1 << 12,
  helo: 1 << 13,
  mail: 1 << 14,
  rcpt: 1 << 15,
  data: 1 << 16,
  unknown: 1 << 17,
  endOfHeader: 1 << 18,
  body: 1 << 19,
};

/** SMFIP_SKIP: we understand the answer "no more of this kind". */
export const KNOWS_SKIP = 1 << 10;
/** SMFIP_HDR_LEADSPC: header values are passed with the blank behind the colon, both ways. */
export const LEADING_SPACE = 1 << 20;

/** SMFIF_…: what the filter may ask for at the end of the body. */
export const ACTION = {
  addHeader: 1 << 0,
  replaceBody: 1 << 1,
  addRecipient: 1 << 2,
  deleteRecipient: 1 << 3,
  changeHeader: 1 << 4,
  quarantine: 1 << 5,
  changeSender: 1 << 6,
  addRecipientWithArguments: 1 << 7,
  /** The filter may name the macros that it wants. */
  nameMacros: 1 << 8,
} as const;

/** SMFIM_…: for which steps macros are named, by number. */
export const MACRO_STEPS: readonly Step[] = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'endOfBody',
  'endOfHeader',
];

/** MILTER_CHUNK_SIZE: the most of a body in one packet. */
export const CHUNK = 65_535;
