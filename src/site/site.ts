/**
 * A site: a relay neighbour whose mail we hold. A value; made from the configuration,
 * replaced as a whole by a reload.
 */

export interface HostPort {
  /** A host name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** How the site's mail exchanger is found. */
export type PrimarySource =
  | { readonly kind: 'mx' }
  | { readonly kind: 'hosts'; readonly hosts: readonly HostPort[] }
  /** At the address that it last called from, once it proved who it is. */
  | { readonly kind: 'caller'; readonly port: number };

/** What we ask of the TLS of a primary. `may`: any certificate, and cleartext if the handshake fails. */
export type TlsPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'may' }
  | { readonly kind: 'verify' }
  /** SHA-256 of the certificate, lower-case hex without colons. */
  | { readonly kind: 'fingerprint'; readonly sha256: readonly string[] };

/** What has to match before mail is given to a host (for primaries at dynamic addresses). */
export type Expectation =
  | { readonly kind: 'ehlo'; readonly name: string }
  | { readonly kind: 'fingerprint'; readonly sha256: string };

/**
 * How the site gets its mail. `push`: as soon as its primary lives. The others call for it: `etrn` starts
 * a push, `odmr` turns its own connection round, `mailbox` is fetched by POP3; `batch` is given to a command.
 */
export type Collect =
  | { readonly kind: 'push' }
  | { readonly kind: 'etrn' }
  | { readonly kind: 'odmr' }
  | Mailbox
  | { readonly kind: 'batch'; readonly batch: Batch };

/** How a site's queue looks as a mailbox. */
export interface Mailbox {
  readonly kind: 'mailbox';
  /** `one`: each mail once, with all its recipients of the site; `each`: a copy for each of them. */
  readonly copies: 'one' | 'each';
  /** The field in which the recipients stand. */
  readonly field: 'X-Envelope-To' | 'Delivered-To' | 'X-Original-To';
}

/**
 * Whether a primary that offers it is told which client gave us a mail: by XFORWARD for its log and filters, or by
 * XCLIENT, so that it judges that client instead of us.
 */
export type PassClient = 'none' | 'xforward' | 'xclient';

/** Who may call for a site by ETRN: anybody, those who authenticate as it, or these networks. */
export type Callers = 'any' | 'auth' | readonly string[];

/** In which order mail is handed over. */
export type Order = 'arrival' | 'size' | 'sender';

/** How mail is given to a command. */
export interface Batch {
  /** `rmail`: a call for each mail, its recipients as words; `bsmtp`: many mails in one file (RFC 2442). */
  readonly form: 'rmail' | 'bsmtp';
  /** Words with `{recipients}`, `{sender}`, `{site}`, `{file}`; no shell of ours reads them. */
  readonly command: readonly string[];
  /** Who reads the words in the end: perhaps a shell over there, or nobody but the program. */
  readonly words: 'shell' | 'exact';
  readonly compress: 'none' | 'gzip' | 'zstd';
  /** Due at so many octets, */
  readonly size: number;
  /** at so many mails, */
  readonly count: number;
  /** or when the oldest has waited so many milliseconds. */
  readonly every: number;
  /** Milliseconds that the command may take. */
  readonly timeout: number;
}

/** By which neighbour of UUCP or NNCP a site gives us mail: what uuxqt and nncp-toss say of it. */
export interface Neighbour {
  readonly by: 'uucp' | 'nncp';
  readonly name: string;
}

/** The site may send: mail from it is passed on to others. */
export interface Send {
  /** Its sender domains, canonical; a leading dot means all below. The null sender is always one of its own. */
  readonly domains: readonly string[];
  /** To whom: anybody, or only to recipients of sites. */
  readonly to: 'any' | 'sites';
  /** Networks as `address/bits` whose SMTP is the site's, without a login. */
  readonly networks: readonly string[];
}

/** Which recipients the site has (`policy/roster/`). */
export type RecipientSource = { readonly kind: 'any' } | Roster;

export interface Roster {
  readonly kind: 'roster';
  /** Lists; who stands in one of them is good. They are complete if `verify` is absent: all others are bad. */
  readonly lists: readonly ListSource[];
  /** What is unknown is asked of the primary, and learned from what is handed over. */
  readonly verify?: Verify;
  /** What parts a sub-address from its mailbox (`joe+list`); '': nothing does. */
  readonly delimiter: string;
}

export type ListSource =
  | { readonly kind: 'file'; readonly path: string }
  /** `every`: milliseconds between two looks. */
  | { readonly kind: 'http'; readonly url: string; readonly token?: string; readonly every: number };

export interface Verify {
  /** Milliseconds that a good address is believed while the primary could be asked again, */
  readonly good: number;
  /** and a bad one. */
  readonly bad: number;
  /**
   * What an address meets of which nothing can be learned now. `return`: 451, and it is taken when sender and recipient
   * come back after five minutes.
   */
  readonly unknown: 'return' | 'accept' | 'defer';
}

/** Who has which domains. */
export interface Claim {
  readonly name: string;
  /** Canonical domains; a leading dot means all below it (and not itself). */
  readonly domains: readonly string[];
}

export interface Site extends Claim {
  readonly collect: Collect;
  /** Who brings us its mail by `restante rmail` and `restante rsmtp`. */
  readonly neighbour?: Neighbour;
  readonly send?: Send;
  readonly primary: PrimarySource;
  readonly tls: TlsPolicy;
  readonly expect?: Expectation;
  readonly recipients: RecipientSource;
  /** Login names that may act for it. Absent: its own name. */
  readonly logins?: readonly string[];
  /** What new mail meets while the primary is up. */
  readonly whileUp: 'accept' | 'defer' | 'through';
  readonly passClient: PassClient;
  /** Its primary's names and addresses are told to nobody. */
  readonly hide?: boolean;
  /** Milliseconds that mail is kept before it fails. */
  readonly hold: number;
  /** Ages, in milliseconds and rising, at which the sender is told of the delay. */
  readonly warn: readonly number[];
  /** Most connections to the site's primary at once. */
  readonly connections: number;
  /** Longest interval between probes while the site is down, in milliseconds. */
  readonly probe: number;
  /** Present: ETRN is taken for it. */
  readonly etrn?: { readonly callers: Callers };
  /** SHA-256 of the token of its HTTPS call, lower-case hex. */
  readonly token?: string;
  /** Absent: by arrival. */
  readonly order?: Order;
  /** Octets; a larger mail is not handed over when the site calls. */
  readonly largest?: number;
  /** Whether strangers' mail for it is greylisted; absent: as the server does. */
  readonly greylist?: boolean;
}

/** The login names that may act for a site. */
export const logins = (site: Pick<Site, 'name' | 'logins'>): readonly string[] => site.logins ?? [site.name];

/** Domain → site. Immutable; a reload makes a new one. */
export class SiteDirectory<S extends Claim = Site> {
  readonly sites: readonly S[];
  readonly #byName = new Map<string, S>();
  readonly #byDomain = new Map<string, S>();

  constructor(sites: readonly S[]) {
    this.sites = sites;
    for (const site of sites) {
      this.#byName.set(site.name, site);
      for (const domain of site.domains) this.#byDomain.set(domain, site);
    }
  }

  byName(name: string): S | undefined {
    return this.#byName.get(name);
  }

  /** The site that a canonical domain belongs to; the longest match wins. */
  byDomain(domain: string): S | undefined {
    const exact = this.#byDomain.get(domain);
    if (exact) return exact;
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
      const below = this.#byDomain.get(domain.slice(dot));
      if (below) return below;
    }
    return undefined;
  }
}
