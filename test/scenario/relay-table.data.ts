/**
 * The open-relay table: what strangers try in order to send mail through a host that should not,
 * and what must be taken all the same. The world of the table is in `relay-table.test.ts`:
 *
 *   mx2.restante.example, mx2.customer.example, 203.0.113.9, 2001:db8::9, 192.0.2.25   are us
 *   acme.example, .acme.example, bücher.example     a site that takes any local part
 *   listed.example                                  a site with a list of recipients
 *   victim.example                                  nobody we know
 */
export interface Trick {
  readonly claim: string;
  /** What follows `RCPT `. */
  readonly rcpt: string;
  /** What follows `MAIL `; an ordinary sender if absent. */
  readonly mail?: string;
  /** The peer's address; a stranger's if absent. */
  readonly peer?: string;
  /** 550 5.7.1 if absent. */
  readonly reply?: string;
}

const UTF8 = 'FROM:<a@sender.example> SMTPUTF8';
const SYNTAX = '501 5.1.3';
const CONTROL = '500 5.5.2';

export const REFUSED: readonly Trick[] = [
  // Plain.
  { claim: 'a domain of nobody', rcpt: 'TO:<u@victim.example>' },
  { claim: 'upper case', rcpt: 'TO:<U@VICTIM.EXAMPLE>' },
  { claim: 'lower-case verb and a space after the colon', rcpt: 'to: <u@victim.example>' },
  { claim: 'the null sender', mail: 'FROM:<>', rcpt: 'TO:<u@victim.example>' },
  { claim: 'a sender of a site', mail: 'FROM:<joe@acme.example>', rcpt: 'TO:<u@victim.example>' },
  { claim: 'a sender of ours', mail: `FROM:<root@mx2.restante.example>`, rcpt: 'TO:<u@victim.example>' },
  {
    claim: 'our postmaster as the sender',
    mail: 'FROM:<postmaster@mx2.restante.example>',
    rcpt: 'TO:<u@victim.example>',
  },
  { claim: 'a sender at our address', mail: 'FROM:<joe@[192.0.2.25]>', rcpt: 'TO:<u@victim.example>' },
  { claim: 'sender and recipient the same', mail: 'FROM:<u@victim.example>', rcpt: 'TO:<u@victim.example>' },
  {
    claim: 'AUTH= in MAIL is no authentication',
    mail: 'FROM:<a@sender.example> AUTH=joe+40acme.example',
    rcpt: 'TO:<u@victim.example>',
  },
  {
    claim: 'NOTIFY and ORCPT of a site',
    rcpt: 'TO:<u@victim.example> NOTIFY=NEVER ORCPT=rfc822;joe@acme.example',
  },
  { claim: 'from the loopback address', peer: '127.0.0.1', rcpt: 'TO:<u@victim.example>' },
  { claim: 'from our own address', peer: '203.0.113.9', rcpt: 'TO:<u@victim.example>' },
  { claim: "from the address of a site's primary", peer: '192.0.2.80', rcpt: 'TO:<u@victim.example>' },
  { claim: 'over IPv6', peer: '2001:db8::77', rcpt: 'TO:<u@victim.example>' },

  // Domains that look like a site's.
  { claim: "a site's domain as a prefix", rcpt: 'TO:<u@acme.example.victim.example>' },
  { claim: "a site's domain as an ending without a dot", rcpt: 'TO:<u@evilacme.example>' },
  { claim: "a site's domain after a hyphen", rcpt: 'TO:<u@evil-acme.example>' },
  { claim: 'the parent of a domain', rcpt: 'TO:<u@example>' },
  { claim: "below a site's domain that has no leading dot", rcpt: 'TO:<u@sub.listed.example>' },
  { claim: 'a trailing dot', rcpt: 'TO:<u@victim.example.>', reply: SYNTAX },
  { claim: 'a leading dot', rcpt: 'TO:<u@.acme.example>', reply: SYNTAX },
  { claim: 'an empty label', rcpt: 'TO:<u@victim..acme.example>', reply: SYNTAX },
  { claim: 'a single label', rcpt: 'TO:<u@victim>' },
  { claim: 'localhost', rcpt: 'TO:<u@localhost>' },
  { claim: 'no domain', rcpt: 'TO:<victim>', reply: SYNTAX },
  { claim: 'no domain after the at-sign', rcpt: 'TO:<victim@>', reply: SYNTAX },
  { claim: 'a port behind the domain', rcpt: 'TO:<u@acme.example:25>', reply: SYNTAX },
  { claim: 'a slash behind the domain', rcpt: 'TO:<u@acme.example/victim.example>', reply: SYNTAX },
  { claim: 'an underscore beside the domain', rcpt: 'TO:<u@_acme.example>' },
  { claim: 'a NUL behind the domain', rcpt: 'TO:<u@victim.example\0@acme.example>', reply: CONTROL },
  { claim: 'a NUL before the domain', rcpt: 'TO:<u@victim.example\0.acme.example>', reply: CONTROL },
  { claim: 'a tab', rcpt: 'TO:<u@victim.example\t@acme.example>', reply: CONTROL },
  { claim: 'a bare CR', rcpt: 'TO:<u@victim.example\r@acme.example>', reply: CONTROL },
  { claim: 'a space in the domain', rcpt: 'TO:<u@victim.example @acme.example>', reply: SYNTAX },
  { claim: 'two addresses', rcpt: 'TO:<u@victim.example>,<joe@acme.example>', reply: SYNTAX },
  {
    claim: 'an address behind the address',
    rcpt: 'TO:<u@victim.example> <joe@acme.example>',
    reply: '501 5.5.4',
  },
  { claim: 'a display name', rcpt: 'TO:joe@acme.example <u@victim.example>', reply: SYNTAX },
  { claim: 'no angle brackets', rcpt: 'TO:u@victim.example', reply: SYNTAX },
  { claim: 'the null recipient', rcpt: 'TO:<>', reply: SYNTAX },
  { claim: 'double angle brackets', rcpt: 'TO:<<u@victim.example>>', reply: SYNTAX },

  // Source routes.
  { claim: 'a route through a site', rcpt: 'TO:<@acme.example:u@victim.example>' },
  { claim: 'a route through us', rcpt: 'TO:<@mx2.restante.example:u@victim.example>' },
  { claim: 'a route of two', rcpt: 'TO:<@mx2.restante.example,@acme.example:u@victim.example>' },
  { claim: 'a route and a hack', rcpt: 'TO:<@mx2.restante.example:u%victim.example@acme.example>' },
  { claim: 'a route through a literal', rcpt: 'TO:<@[192.0.2.25]:u@victim.example>', reply: SYNTAX },
  { claim: 'a route without an at-sign', rcpt: 'TO:<acme.example:u@victim.example>', reply: SYNTAX },
  { claim: 'a route in quotes', rcpt: 'TO:<"@victim.example:u"@acme.example>' },

  // Local parts that route further, at a site that takes any.
  { claim: 'percent hack', rcpt: 'TO:<u%victim.example@acme.example>' },
  { claim: 'percent hack twice', rcpt: 'TO:<u%victim.example%evil.example@acme.example>' },
  { claim: 'percent hack in quotes', rcpt: 'TO:<"u%victim.example"@acme.example>' },
  { claim: 'percent hack with an escaped percent', rcpt: 'TO:<"u\\%victim.example"@acme.example>' },
  { claim: 'percent hack at a subdomain', rcpt: 'TO:<u%victim.example@deep.sub.acme.example>' },
  { claim: 'percent hack to the postmaster of another', rcpt: 'TO:<postmaster%victim.example@acme.example>' },
  { claim: 'bang path', rcpt: 'TO:<victim.example!u@acme.example>' },
  { claim: 'bang path of two', rcpt: 'TO:<acme.example!victim.example!u@acme.example>' },
  { claim: 'bang path and percent', rcpt: 'TO:<victim.example!u%evil.example@acme.example>' },
  { claim: 'bang path in quotes', rcpt: 'TO:<"victim.example!u"@acme.example>' },
  { claim: 'a quoted at-sign', rcpt: 'TO:<"u@victim.example"@acme.example>' },
  { claim: 'an escaped at-sign', rcpt: 'TO:<"u\\@victim.example"@acme.example>' },
  { claim: 'an at-sign without quotes', rcpt: 'TO:<u@victim.example@acme.example>', reply: SYNTAX },
  { claim: 'an address in angle brackets in quotes', rcpt: 'TO:<"<u@victim.example>"@acme.example>' },
  {
    claim: 'quotes over half of the local part',
    rcpt: 'TO:<"u"%victim.example@acme.example>',
    reply: SYNTAX,
  },
  { claim: 'a fullwidth percent sign', mail: UTF8, rcpt: 'TO:<u％victim.example@acme.example>' },
  { claim: 'a fullwidth exclamation mark', mail: UTF8, rcpt: 'TO:<victim.example！u@acme.example>' },
  { claim: 'a small at-sign', mail: UTF8, rcpt: 'TO:<u﹫victim.example@acme.example>' },
  { claim: 'an empty local part in quotes', rcpt: 'TO:<""@acme.example>' },
  { claim: 'no local part', rcpt: 'TO:<@acme.example>', reply: SYNTAX },

  // The same at a site with a list.
  { claim: 'percent hack at a listed domain', rcpt: 'TO:<u%victim.example@listed.example>' },
  { claim: 'bang path at a listed domain', rcpt: 'TO:<victim.example!alice@listed.example>' },
  { claim: 'percent hack with a listed local part', rcpt: 'TO:<alice%victim.example@listed.example>' },
  { claim: 'a catch-all takes no routes', rcpt: 'TO:<u%victim.example@catchall.example>' },
  {
    claim: 'a quoted address that the list has without quotes',
    rcpt: 'TO:<"alice@listed.example"@catchall.example>',
  },
  { claim: 'not in the list', rcpt: 'TO:<nobody@listed.example>', reply: '550 5.1.1' },

  // Us.
  { claim: 'a local part at our name', rcpt: 'TO:<root@mx2.restante.example>' },
  { claim: 'a local part at our other name', rcpt: 'TO:<joe@mx2.customer.example>' },
  { claim: 'a local part below our name', rcpt: 'TO:<postmaster@sub.mx2.restante.example>' },
  { claim: 'a hack at our name', rcpt: 'TO:<u%victim.example@mx2.restante.example>' },
  { claim: 'a bang path to the postmaster', rcpt: 'TO:<victim.example!postmaster@mx2.restante.example>' },
  { claim: 'a quoted address at our name', rcpt: 'TO:<"u@victim.example"@mx2.restante.example>' },
  { claim: 'a local part at our address', rcpt: 'TO:<u@[192.0.2.25]>' },
  { claim: 'a hack at our address', rcpt: 'TO:<u%victim.example@[192.0.2.25]>' },
  { claim: 'a local part at our IPv6 address', rcpt: 'TO:<u@[IPv6:2001:db8::9]>' },
  { claim: 'a local part at our own name below a wildcard', rcpt: 'TO:<joe@mx2.acme.example>' },

  // Addresses of hosts.
  { claim: 'an address literal', rcpt: 'TO:<u@[198.51.100.99]>' },
  { claim: 'the postmaster of an address literal', rcpt: 'TO:<postmaster@[198.51.100.99]>' },
  { claim: 'an IPv6 literal', rcpt: 'TO:<u@[IPv6:2001:db8::99]>' },
  { claim: 'the loopback literal', rcpt: 'TO:<u@[127.0.0.1]>' },
  { claim: "a site's primary as a literal", rcpt: 'TO:<u@[192.0.2.80]>' },
  { claim: "a site's domain in brackets", rcpt: 'TO:<u@[acme.example]>', reply: SYNTAX },
  { claim: 'an address without brackets', rcpt: 'TO:<u@198.51.100.99>' },
  { claim: 'a bracket too few', rcpt: 'TO:<u@[198.51.100.99>', reply: SYNTAX },
  { claim: 'text after a literal', rcpt: 'TO:<u@[192.0.2.25].victim.example>', reply: SYNTAX },

  // Internationalised domains.
  { claim: 'a cyrillic letter in the domain', mail: UTF8, rcpt: 'TO:<u@аcme.example>' },
  { claim: 'fullwidth letters', mail: UTF8, rcpt: 'TO:<u@ａｃｍｅ.example>' },
  { claim: 'circled letters', mail: UTF8, rcpt: 'TO:<u@ⓐcme.example>' },
  { claim: 'a soft hyphen', mail: UTF8, rcpt: 'TO:<u@ac\u00adme.example>' },
  { claim: 'a zero-width space', mail: UTF8, rcpt: 'TO:<u@ac\u200bme.example>' },
  { claim: 'an ideographic full stop', mail: UTF8, rcpt: 'TO:<u@acme。example>' },
  { claim: 'a fullwidth full stop', mail: UTF8, rcpt: 'TO:<u@victim.example．acme.example>' },
  { claim: 'a decomposed umlaut', mail: UTF8, rcpt: 'TO:<u@bu\u0308cher.example>' },
  { claim: 'the domain without its umlaut', rcpt: 'TO:<u@bucher.example>' },
  { claim: 'an A-label of an ASCII label', rcpt: 'TO:<u@xn--acme-.example>' },
  { claim: 'a foreign A-label', rcpt: 'TO:<u@xn--vctim-3sa.example>' },
  {
    claim: 'a domain that is not ASCII, without SMTPUTF8',
    rcpt: 'TO:<u@vïctim.example>',
    reply: '553 5.6.7',
  },
];

/** `queue address` of what is taken. */
export interface Taken extends Trick {
  readonly to: string;
}

export const TAKEN: readonly Taken[] = [
  { claim: 'a site that takes any', rcpt: 'TO:<joe@acme.example>', to: 'acme joe@acme.example' },
  { claim: 'case is kept', rcpt: 'TO:<Joe.Doe@ACME.Example>', to: 'acme Joe.Doe@ACME.Example' },
  {
    claim: "below a site's domain with a leading dot",
    rcpt: 'TO:<joe@a.b.acme.example>',
    to: 'acme joe@a.b.acme.example',
  },
  {
    claim: 'a source route is dropped',
    rcpt: 'TO:<@relay.example,@other.example:joe@acme.example>',
    to: 'acme joe@acme.example',
  },
  { claim: 'a quoted local part', rcpt: 'TO:<"joe doe"@acme.example>', to: 'acme "joe doe"@acme.example' },
  { claim: 'a sub-address', rcpt: 'TO:<joe+list@acme.example>', to: 'acme joe+list@acme.example' },
  { claim: 'an A-label', rcpt: 'TO:<joe@xn--bcher-kva.example>', to: 'acme joe@xn--bcher-kva.example' },
  { claim: 'a U-label', mail: UTF8, rcpt: 'TO:<joe@bücher.example>', to: 'acme joe@bücher.example' },
  {
    claim: 'a U-label in upper case',
    mail: UTF8,
    rcpt: 'TO:<joe@BÜCHER.example>',
    to: 'acme joe@BÜCHER.example',
  },
  { claim: 'a UTF-8 local part', mail: UTF8, rcpt: 'TO:<jörg@acme.example>', to: 'acme jörg@acme.example' },
  { claim: 'a listed address', rcpt: 'TO:<alice@listed.example>', to: 'listed alice@listed.example' },
  {
    claim: 'a listed address in other case',
    rcpt: 'TO:<ALICE@Listed.Example>',
    to: 'listed ALICE@Listed.Example',
  },
  {
    claim: 'a listed address in quotes',
    rcpt: 'TO:<"alice"@listed.example>',
    to: 'listed "alice"@listed.example',
  },
  { claim: 'a listed local part', rcpt: 'TO:<bob@catchall.example>', to: 'listed bob@catchall.example' },
  {
    claim: 'a listed local part with a percent sign',
    rcpt: 'TO:<fifty%off@listed.example>',
    to: 'listed fifty%off@listed.example',
  },
  { claim: 'a catch-all', rcpt: 'TO:<whoever@catchall.example>', to: 'listed whoever@catchall.example' },
  { claim: 'bare postmaster', rcpt: 'TO:<postmaster>', to: 'operator postmaster@mx2.restante.example' },
  { claim: 'bare Postmaster', rcpt: 'TO:<PostMaster>', to: 'operator postmaster@mx2.restante.example' },
  {
    claim: 'postmaster at our name',
    rcpt: 'TO:<postmaster@MX2.restante.example>',
    to: 'operator postmaster@mx2.restante.example',
  },
  {
    claim: 'postmaster at our other name',
    rcpt: 'TO:<postmaster@mx2.customer.example>',
    to: 'operator postmaster@mx2.restante.example',
  },
  {
    claim: 'postmaster at the address that was called',
    rcpt: 'TO:<postmaster@[192.0.2.25]>',
    to: 'operator postmaster@mx2.restante.example',
  },
  {
    claim: 'postmaster at an address of ours',
    rcpt: 'TO:<postmaster@[203.0.113.9]>',
    to: 'operator postmaster@mx2.restante.example',
  },
  {
    claim: 'postmaster at an IPv6 address of ours',
    rcpt: 'TO:<postmaster@[IPv6:2001:DB8:0::9]>',
    to: 'operator postmaster@mx2.restante.example',
  },
  {
    claim: "postmaster of a site's listed domain",
    rcpt: 'TO:<Postmaster@listed.example>',
    to: 'listed Postmaster@listed.example',
  },
  {
    claim: 'postmaster from the null sender',
    mail: 'FROM:<>',
    rcpt: 'TO:<postmaster>',
    to: 'operator postmaster@mx2.restante.example',
  },
];
