/**
 * How strangers have to behave, as the rest of the program sees it. How it is written is `limits-schema.ts`.
 */

/** So many, or so many octets, in a span. */
export interface Allowance {
  readonly count: number;
  /** Milliseconds. */
  readonly span: number;
}

/** What is not there is not limited. */
export interface Rates {
  readonly connections?: Allowance;
  readonly mails?: Allowance;
  readonly recipients?: Allowance;
  /** Refusals for good. */
  readonly errors?: Allowance;
  /** Octets of mail that was taken. */
  readonly bytes?: Allowance;
}

/** How many leading bits of an address are one network. */
export interface NetworkBits {
  readonly ipv4: number;
  readonly ipv6: number;
}

export interface Conduct {
  /** Milliseconds before the greeting; 0: none. */
  readonly greetingDelay: number;
  readonly helo: 'usual' | 'strict' | 'off';
  /** Networks (`address/bits`) that `rates` are not for. */
  readonly allow: readonly string[];
  readonly networkBits: NetworkBits;
  readonly rates: {
    readonly client: Rates;
    readonly network: Rates;
    readonly sender: Rates;
    readonly site: Rates;
  };
  readonly greylist: Greylist;
}

export interface Greylist {
  /** For all sites that don't say otherwise. */
  readonly everywhere: boolean;
  /** Milliseconds before a second try is taken, */
  readonly delay: number;
  /** after which it is a first one again, */
  readonly retry: number;
  /** and for which it is remembered when it was taken. */
  readonly keep: number;
  /** A network that came back for so many mails is not asked any more. 0: never. */
  readonly trustAfter: number;
  /** Addresses of ours that stand as a more preferred exchanger. */
  readonly firstMx: readonly string[];
}
