/**
 * What we say: `+OK` and `-ERR`, each one line. RFC 1939 §3: at most 512 octets. Response codes:
 * RFC 2449 §8, RFC 3206.
 */

/**
 * `IN-USE`: another session has the mailbox. `AUTH`: name or password is wrong. `SYS/TEMP`: our trouble,
 * later perhaps. `SYS/PERM`: somebody has to change something first.
 */
export type Code = 'IN-USE' | 'AUTH' | 'SYS/TEMP' | 'SYS/PERM';

export const ok = (text = ''): string => (text === '' ? '+OK\r\n' : `+OK ${text}\r\n`);

export const error = (text: string, code?: Code): string =>
  code === undefined ? `-ERR ${text}\r\n` : `-ERR [${code}] ${text}\r\n`;

export const replies = {
  bye: ok('Bye'),
  startTls: ok('Begin TLS'),
  noop: ok(),

  tooLong: error('Line too long'),
  bareLf: error('Lines end in CRLF'),
  unknown: error('Unknown command'),
  notNow: error('Not in this state'),
  arguments: error('Wrong arguments'),
  noMessage: error('No such message'),
  deleted: error('That message is deleted'),
  unreadable: error('That message cannot be read', 'SYS/TEMP'),
  notRemoved: error('Some deleted messages could not be removed', 'SYS/TEMP'),

  tlsActive: error('TLS is active'),
  notOffered: error('Not offered'),
  /** RFC 2595 §2.3: before the password is sent. */
  noPassword: error('No password on a line that is not encrypted: STLS first'),
  userFirst: error('USER first'),
  noMechanism: error('No such mechanism here'),
  cancelled: error('Cancelled'),
  malformed: error('That is no valid response'),
  wrong: error('Name or password is wrong', 'AUTH'),
  locked: error('Too many failures; try again later', 'SYS/TEMP'),
  inUse: error('The mailbox is in use', 'IN-USE'),
  noMailbox: error('There is no mailbox for this login', 'SYS/PERM'),

  fault: error('Local trouble; try again later', 'SYS/TEMP'),
  taken: error('The mail is collected in another way now, or held', 'SYS/TEMP'),
  stopping: error('Going down; try again later', 'SYS/TEMP'),
  tooManyErrors: error('Too many errors'),
} as const;
