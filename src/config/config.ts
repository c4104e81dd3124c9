/**
 * The configuration as the rest of the program sees it: checked, complete, frozen. A reload makes
 * a new one; nobody changes a part of it. How it is written in YAML is `schema.ts`.
 */
import type { HostPort, Site, TlsPolicy } from '../site/site.ts';
import type { BlocklistSettings } from './blocklists.ts';
import type { Conduct } from './conduct.ts';
import type { Finding } from './load.ts';
import type { MilterRule } from './milter-schema.ts';

export type Outbound =
  | { readonly kind: 'mx' }
  | {
      readonly kind: 'smarthost';
      readonly host: string;
      readonly port: number;
      readonly tls: TlsPolicy;
      readonly auth?: { readonly user: string; readonly password: string };
    };

export interface Limits {
  /** Octets of one mail, while the primary's own limit is not known. */
  readonly size: number;
  /** SMTP connections at once, all peers together. */
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly connectionsPerNetwork: number;
  /** Recipients in one transaction. */
  readonly recipients: number;
  /** Octets of the disk that mail may not use. */
  readonly reserve: number;
  /** Octets that the spool may use; absent: all that is free but the reserve. */
  readonly spool?: number;
}

/** What is found out about the origin of mail. */
export interface Authentication {
  readonly spf: boolean;
  readonly dkim: boolean;
  readonly dmarc: 'off' | 'report' | 'obey';
  readonly arc: boolean;
  /** Its key is the PEM itself. */
  readonly seal?: { readonly domain: string; readonly selector: string; readonly key: string };
  /** Write Authentication-Results. */
  readonly results: boolean;
  readonly authservId: string;
  /** Threads. */
  readonly workers: number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Config {
  /** The file it was read from, absolute. */
  readonly file: string;
  readonly hostname: string;
  /** The spool folder, absolute. */
  readonly spool: string;
  /** Other names (canonical) and addresses that are us. */
  readonly also: { readonly names: readonly string[]; readonly addresses: readonly string[] };
  readonly listen: {
    readonly smtp: readonly HostPort[];
    readonly pop3: readonly HostPort[];
    readonly pop3s: readonly HostPort[];
    readonly odmr: readonly HostPort[];
    readonly call: readonly HostPort[];
  };
  /** Networks as `address/bits` whose SMTP connections begin with a PROXY header. */
  readonly proxies: readonly string[];
  /** The socket of `restante rmail`, an absolute path; absent: it comes by the control socket. */
  readonly rmail?: string;
  /** Absolute paths of PEM files. Empty: a self-signed key is made and kept. */
  readonly tls: readonly { readonly cert: string; readonly key: string }[];
  /** Empty: the system's. */
  readonly resolver: readonly HostPort[];
  /** Networks as `address/bits`, canonical. */
  readonly peers: readonly string[];
  readonly blocklists: BlocklistSettings;
  readonly outbound: Outbound;
  /** The file of login secrets, absolute. */
  readonly secrets: string;
  /** `cleartext`: networks (`address/bits`) from which passwords are taken without TLS. */
  readonly auth: { readonly cleartext: readonly string[] };
  readonly authentication: Authentication;
  readonly notices: {
    /** `local@domain`, `domain`, or `.domain` for all below it; domains canonical. */
    readonly allow: readonly string[];
    /** Milliseconds that undeliverable mail is kept; absent: until an operator removes it. */
    readonly undeliverable?: number;
  };
  /** Who gets the mail for postmaster; absent: it stays in the operator's queue. */
  readonly postmaster?: string;
  /** In the order in which they are asked. */
  readonly milters: readonly MilterRule[];
  readonly limits: Limits;
  /** How strangers have to behave. */
  readonly conduct: Conduct;
  readonly log: { readonly level: LogLevel };
  readonly sites: readonly Site[];
}

/** One thing that is wrong in the file, and where. */
export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** What is wrong and what is meant, in one line. */
  readonly text: string;
}

export type Loaded =
  | {
      readonly kind: 'ok';
      readonly config: Config;
      /** Where in the file something is that was found later. */
      readonly locate: (finding: Finding) => Problem;
    }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] };

export const DEFAULT_SPOOL = '/var/spool/restante';

/** As compilers write it, so that editors can jump to it. */
export const showProblem = (p: Problem): string => `${p.file}:${p.line}:${p.column}: ${p.text}`;
