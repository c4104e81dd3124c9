/**
 * The control API as values: what goes over the socket `control` in the spool folder, and all that a
 * command or a console knows of the server. HTTP/1.1; bodies are JSON; lists of entries are JSON
 * lines, so that a long queue is neither gathered here nor there. Times are ISO 8601 in UTC,
 * sizes octets, spans milliseconds.
 *
 *   GET  /status                → Status
 *   GET  /sites                 → SiteRow[]
 *   GET  /sites/:queue          → SiteView
 *   POST /sites/:queue/flush    {}                     → Done
 *   POST /sites/:queue/hold     HoldRequest            → Done
 *   POST /sites/:queue/release  {}                     → Done
 *   GET  /queue?select=Page      → EntryRow, a line each; the Page is JSON
 *   GET  /queue/:id             → EntryView
 *   GET  /queue/:id/content     → the octets of the mail
 *   POST /queue/:act            ActRequest             → Acted
 *   GET  /rosters/:site          → RosterShow
 *   POST /rosters/:site/import  RosterImport           → RosterImported
 *   POST /rosters/:site/forget  RosterForget           → RosterForgotten
 *   POST /reload                {}                     → Reload
 *   POST /submit                a SubmitRequest, LF, content; trailer KEY_TRAILER   → Submitted
 *   POST /submitted             SubmittedRequest       → Done
 *
 * What cannot be done is a Failure: 400 asked wrongly, 404 not there, 409 not now, 500 a fault.
 */
import { z } from 'zod';

const time = z.string();
const octets = z.number().nonnegative();

export const Failure = z.object({ error: z.string() });

export const QueueState = z.enum(['up', 'down', 'draining', 'waiting', 'calling', 'held', 'idle']);

/** What is known of a queue: how much lies in it, and how its keeper fares. */
const queueFields = {
  state: QueueState,
  /** Why it is down or held. */
  reason: z.string().nullable(),
  /** In this state since. */
  since: time.nullable(),
  /** Entries, held ones included. */
  queued: z.number(),
  held: z.number(),
  deferred: z.number(),
  bytes: octets,
  /** Arrival of the oldest entry. */
  oldest: time.nullable(),
  /** When a queue that is down is tried next. */
  nextProbe: time.nullable(),
  /** When a held queue is released by itself. */
  until: time.nullable(),
  /** Mails a second, of late. */
  rate: z.number(),
  /** Milliseconds until it is worked through. */
  estimate: z.number().nullable(),
  connections: z.number(),
  host: z.string().nullable(),
  /** Refusals are held back and offered again. */
  wary: z.boolean(),
};
export const QueueRow = z.object({ queue: z.string(), ...queueFields });
export const SiteRow = z.object({
  site: z.string(),
  ...queueFields,
  /** What a person has to look at: a list of recipients that can't be relied on. */
  alarm: z.string().optional(),
});

/** What came of one call for mail. */
export const CallRow = z.object({
  by: z.string(),
  begun: time,
  ended: time,
  mails: z.number(),
  octets,
  /** What left for them, where they were compressed. */
  sent: octets.optional(),
  deferred: z.number(),
  refused: z.number(),
  left: z.number(),
  /** What ended it before the end of the queue. */
  why: z.string().nullable(),
});

export const SiteView = z.object({
  ...SiteRow.shape,
  /** Of a site that calls for its mail: the last calls, the latest first. */
  calls: z.array(CallRow).optional(),
  /** When its oldest mail fails if no call comes. */
  keptUntil: time.nullable().optional(),
  /** The rest is the configuration of a site; absent for foreign queues and the operator's. */
  domains: z.array(z.string()).optional(),
  collect: z.string().optional(),
  primary: z.array(z.string()).optional(),
  tls: z.string().optional(),
  recipients: z.string().optional(),
  hold: z.number().optional(),
  warn: z.array(z.number()).optional(),
  maxConnections: z.number().optional(),
});

/** A blocklist or allow list, and whether it is believed: `new` and `aside` ones are not. */
export const ListRow = z.object({
  zone: z.string(),
  use: z.enum(['block', 'allow']),
  kinds: z.array(z.string()),
  state: z.enum(['new', 'good', 'doubtful', 'aside']),
  /** What is wrong with it, or peculiar. */
  reason: z.string().nullable(),
  since: time,
  /** Its last test. */
  tested: time.nullable(),
  asked: z.number(),
  hits: z.number(),
  timeouts: z.number(),
  refused: z.number(),
});

export const Status = z.object({
  version: z.string(),
  hostname: z.string(),
  pid: z.number(),
  now: time,
  started: time,
  uptime: z.number(),
  listeners: z.array(z.object({ protocol: z.string(), address: z.string(), port: z.number() })),
  spool: z.object({
    path: z.string(),
    state: z.enum(['ok', 'full', 'readonly', 'doubtful']),
    room: octets,
    entries: z.number(),
    bytes: octets,
    corrupt: z.number(),
    why: z.string().optional(),
  }),
  sites: z.array(SiteRow),
  /** Queues of foreign domains, the operator's, and those of sites that are no more. */
  others: z.array(QueueRow),
  blocklists: z.array(ListRow),
});

export const EntryState = z.enum(['queued', 'deferred', 'held', 'undeliverable']);

export const EntryRow = z.object({
  id: z.string(),
  mail: z.string(),
  /** The site's name, or the name of a queue of another kind. */
  site: z.string(),
  sender: z.string(),
  /** Those that are still to be reached. */
  recipients: z.array(z.string()),
  size: octets,
  arrived: time,
  state: EntryState,
  /** Why it is held or was put off. */
  reason: z.string().nullable(),
  attempts: z.number(),
  nextTry: time.nullable(),
});

export const EntryView = z.object({
  ...EntryRow.shape,
  /** From where it came, for people. */
  origin: z.string(),
  /** What was found out about it when it came in, for people: "spf=pass elsewhere.example". */
  authentication: z.string().nullable(),
  /** What was peculiar then, and was let pass. */
  marks: z.array(z.string()),
  outcomes: z.array(
    z.object({
      recipient: z.string(),
      state: z.enum(['pending', 'delivered', 'failed', 'moved']),
      host: z.string().nullable(),
      reply: z.string().nullable(),
    }),
  ),
  body: z.string(),
  smtputf8: z.boolean(),
  ret: z.string().nullable(),
  envid: z.string().nullable(),
  /** Warnings that were given. */
  warned: z.number(),
  until: time.nullable(),
  /** The header as it stands, its beginning if it is very long; null if it cannot be read. */
  header: z.string().nullable(),
});

/** Which entries are meant. All that is said has to be true of an entry. */
export const Selection = z.strictObject({
  ids: z.array(z.string().min(1)).optional(),
  site: z.string().min(1).optional(),
  /** An address, or `@domain`. `<>` is the null sender. */
  from: z.string().min(1).optional(),
  to: z.string().min(1).optional(),
  /** Arrived longer ago than this. */
  older: z.number().nonnegative().optional(),
  state: EntryState.optional(),
});
export const Page = Selection.extend({
  limit: z.number().int().positive().optional(),
  /** Only entries behind this one, in the same order. Costs as many entries as are passed over. */
  after: z.string().optional(),
});

export const Act = z.enum(['flush', 'hold', 'release', 'remove']);
export const ActRequest = z.strictObject({
  which: Selection,
  /** Needed when nothing else is selected: the whole spool is meant. */
  all: z.boolean().default(false),
  reason: z.string().min(1).max(500).optional(),
  /** For hold: a time at which it ends. */
  until: time.optional(),
  /** Who removes: a person's name, for the log. */
  by: z.string().min(1).max(100).optional(),
});
export const Acted = z.object({ applied: z.number() });

export const HoldRequest = z.strictObject({ reason: z.string().min(1).max(500), until: time.optional() });
export const Done = z.object({ done: z.literal(true) });

/** What is known of a site's recipients. */
export const RosterShow = z.object({
  site: z.string(),
  /** `complete`: an address that it does not have is bad; `partial`: it is unknown. */
  kind: z.enum(['any', 'complete', 'partial']),
  lists: z.array(
    z.object({
      /** A path or a URL. */
      from: z.string(),
      /** Null: there never was a good one. */
      recipients: z.number().nullable(),
      read: time.nullable(),
      looked: time.nullable(),
      alarm: z.string().nullable(),
    }),
  ),
  /** Of recipients that mail came for, since the start. `cameBack`: unknown, and taken at their return. */
  counts: z.object({ known: z.number(), refused: z.number(), unknown: z.number(), cameBack: z.number() }),
  /** The share of them of which something was known; null: no mail came. */
  coverage: z.number().nullable(),
  unknown: z.enum(['return', 'accept', 'defer']).optional(),
  learned: z
    .object({
      good: z.number(),
      bad: z.number(),
      /** Of the good ones, those that a person gave. */
      imported: z.number(),
      /** Of the good ones: the oldest and the latest word. */
      oldest: time.nullable(),
      latest: time.nullable(),
    })
    .optional(),
  verification: z
    .object({
      /** Why the primary is not asked, or not believed, at the moment. */
      why: z.string().nullable(),
      waiting: z.number(),
      asked: z.number(),
      last: time.nullable(),
      /** Domains at which the primary takes everybody. */
      openDomains: z.array(z.string()),
    })
    .optional(),
  /** Pairs of sender and recipient that may come back. */
  waiting: z.number().optional(),
});
/** Lines as in a list: an address, or a local part for all domains of the site. */
export const RosterImport = z.strictObject({ lines: z.array(z.string().max(1000)).max(10_000) });
export const RosterImported = z.object({ taken: z.number(), bad: z.array(z.string()) });
/** Without addresses: all. */
export const RosterForget = z.strictObject({ addresses: z.array(z.string().min(1)).max(10_000).optional() });
export const RosterForgotten = z.object({ forgotten: z.number() });

/** How many entries followed their domain to another queue, and how many have no site any more. */
export const Reload = z.object({ moved: z.number(), held: z.number() });

/** A mail that a courier brings. */
const said = z.object({
  code: z.number(),
  enhanced: z.string().optional(),
  text: z.array(z.string()).readonly(),
});
export const SubmitRequest = z.strictObject({
  by: z.enum(['uucp', 'nncp']),
  /** As uuxqt and nncp-toss give it. */
  name: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
  envelope: z.strictObject({
    sender: z.string(),
    recipients: z.array(
      z.strictObject({
        address: z.string(),
        notify: z.array(z.enum(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'])).optional(),
        orcpt: z.string().optional(),
      }),
    ),
    body: z.enum(['7bit', '8bitmime']),
    smtputf8: z.boolean(),
    ret: z.enum(['FULL', 'HDRS']).optional(),
    envid: z.string().optional(),
  }),
});
/** Stands for a mail of a batch and all before it. */
export const KEY_TRAILER = 'x-key';
export const Submitted = z.object({
  outcome: z.enum(['accepted', 'deferred', 'refused']),
  /** To the mail as a whole. */
  reply: said,
  /** Recipients that were refused for good. */
  told: z.array(z.object({ recipient: z.string(), reply: said })),
});
/** The batch with these mails is over. */
export const SubmittedRequest = z.strictObject({ keys: z.array(z.string().max(100)).max(100_000) });

export type SubmitRequest = z.infer<typeof SubmitRequest>;
export type Submitted = z.infer<typeof Submitted>;
export type Status = z.infer<typeof Status>;
export type RosterShow = z.infer<typeof RosterShow>;
export type RosterImported = z.infer<typeof RosterImported>;
export type RosterForgotten = z.infer<typeof RosterForgotten>;
export type SiteRow = z.infer<typeof SiteRow>;
export type SiteView = z.infer<typeof SiteView>;
export type CallRow = z.infer<typeof CallRow>;
export type ListRow = z.infer<typeof ListRow>;
export type QueueRow = z.infer<typeof QueueRow>;
export type EntryRow = z.infer<typeof EntryRow>;
export type EntryView = z.infer<typeof EntryView>;
export type EntryState = z.infer<typeof EntryState>;
export type Selection = z.infer<typeof Selection>;
export type Page = z.infer<typeof Page>;
export type Act = z.infer<typeof Act>;
export type ActRequest = z.input<typeof ActRequest>;
export type Acted = z.infer<typeof Acted>;
export type Reload = z.infer<typeof Reload>;

/** The socket's name in the spool folder. */
export const CONTROL = 'control';
