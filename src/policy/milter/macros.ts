/**
 * The macros that filters get at each step: sendmail's names, as far as we know what they stand for. A filter may
 * name those that it wants; otherwise these are the usual ones.
 */
import { domainPart } from '../../mail/address.ts';
import type { Peer } from '../../protocol/engine.ts';
import type { Macros } from '../../protocol/milter/client.ts';
import type { Step } from '../../protocol/milter/codes.ts';
import type { Options } from '../../protocol/milter/options.ts';
import type { MailCommand, Manner } from '../../protocol/smtp/session.ts';

/** What is known at a step. */
export interface Facts {
  readonly hostname: string;
  readonly peer: Peer;
  readonly manner: Manner;
  /** The client's verified name. */
  readonly clientName?: string;
  readonly mail?: MailCommand;
  readonly recipient?: string;
  /** Of the mail; known when its content comes. */
  readonly id?: string;
}

const MAIL = ['i', '{auth_type}', '{auth_authen}', '{mail_addr}', '{mail_host}', '{mail_mailer}'];
const USUAL: Partial<Record<Step, readonly string[]>> = {
  connect: [
    'j',
    'v',
    '_',
    '{daemon_name}',
    '{daemon_addr}',
    '{daemon_port}',
    '{if_addr}',
    '{client_addr}',
    '{client_name}',
    '{client_ptr}',
    '{client_port}',
  ],
  helo: ['{tls_version}', '{cipher}'],
  mail: MAIL,
  rcpt: ['i', '{rcpt_addr}', '{rcpt_host}', '{rcpt_mailer}'],
  data: ['i'],
  endOfHeader: ['i'],
  endOfBody: ['i'],
};

export function macrosFor(step: Step, options: Options, facts: Facts): Macros {
  const names = options.macros.get(step) ?? USUAL[step] ?? [];
  return names.flatMap((name) => {
    const value = macroOf(name, facts);
    return value === undefined ? [] : [[name, value] as const];
  });
}

function macroOf(name: string, { hostname, peer, manner, ...facts }: Facts): string | undefined {
  const { clientName, mail, recipient, id } = facts;
  const { tls, authenticated } = manner;
  switch (name.replace(/^\{(.*)\}$/, '$1')) {
    case 'j':
    case 'daemon_name':
      return hostname;
    case 'v':
      return 'Restante';
    case '_':
      return `${clientName ?? 'unknown'} [${peer.address}]`;
    case 'daemon_addr':
    case 'if_addr':
      return peer.localAddress;
    case 'daemon_port':
      return String(peer.localPort);
    case 'client_addr':
      return peer.address;
    case 'client_name':
    case 'client_ptr':
      return clientName ?? 'unknown';
    case 'client_port':
      return String(peer.port);
    case 's':
      return manner.helo;
    case 'r':
      return manner.esmtp ? 'ESMTP' : 'SMTP';
    case 'tls_version':
      return tls?.version;
    case 'cipher':
      return tls?.cipher;
    // Which mechanism it was is not kept.
    case 'auth_type':
      return authenticated && 'SASL';
    case 'auth_authen':
      return authenticated?.login;
    case 'mail_addr':
      return mail?.sender;
    case 'mail_host':
      return mail && domainPart(mail.sender);
    case 'mail_mailer':
      return mail && 'smtp';
    case 'rcpt_addr':
      return recipient;
    case 'rcpt_host':
      return recipient === undefined ? undefined : domainPart(recipient);
    case 'rcpt_mailer':
      return recipient === undefined ? undefined : 'relay';
    case 'i':
      return id;
    default:
      return undefined;
  }
}
