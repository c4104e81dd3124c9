/**
 * Joins the rooms of the house to one server: the only place that knows them all. What a reload may
 * change is reached through `current`, so that nobody keeps a piece of an old configuration.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SiteAuthenticator } from '../auth/authenticator.ts';
import { SecretStore } from '../auth/store.ts';
import type { Clock, Instant } from '../base/clock.ts';
import { type Keyed, type KeyedTable, openKeyed } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import { createResolver, systemServers } from '../dns/resolver.ts';
import { Mailboxes } from '../handover/mailbox/mailboxes.ts';
import { turnedLine } from '../handover/odmr/odmr.ts';
import { Notices } from '../notify/notices.ts';
import { CallDesk } from '../operate/call/desk.ts';
import { createCallServer } from '../operate/call/engine.ts';
import type { Blocklists } from '../policy/blocklist/blocklists.ts';
import { Escapes } from '../policy/escape.ts';
import { Policy } from '../policy/pipeline.ts';
import type { Standings } from '../policy/ports.ts';
import { httpsGet } from '../policy/roster/get.ts';
import { Rosters } from '../policy/roster/rosters.ts';
import { WhileUp } from '../policy/while-up.ts';
import { Primaries } from '../primary/primaries.ts';
import { Pulse } from '../primary/pulse.ts';
import type { Engine } from '../protocol/engine.ts';
import { TlsContexts } from '../protocol/listen/tls.ts';
import { createPop3Server } from '../protocol/pop3/server.ts';
import type { Authenticator } from '../protocol/sasl.ts';
import { createSmtpServer } from '../protocol/smtp/server/server.ts';
import { ODMR } from '../protocol/smtp/server/verbs/index.ts';
import type { Session } from '../protocol/smtp/session.ts';
import { type OdmrEvents, OdmrSession } from '../receive/odmr.ts';
import { createReceiver } from '../receive/receiver.ts';
import { Throughs } from '../receive/through/through.ts';
import { BatchWatch } from '../schedule/batch-watch.ts';
import { Keepers } from '../schedule/keepers.ts';
import { FOREIGN_POLICY, type QueuePolicy, sitePolicy } from '../schedule/policy.ts';
import { type Rerouted, reroute } from '../schedule/reroute.ts';
import { callTurned } from '../schedule/turned.ts';
import type { CallAnswer } from '../site/call.ts';
import { type Claim, SiteDirectory } from '../site/site.ts';
import { openLogSpool } from '../spool/log/index.ts';
import type { QueueName, Spool } from '../spool/port.ts';
import { type Current, derive } from './current.ts';
import { openGate } from './gate.ts';
import { BATCH_FOLDER, handovers } from './handovers.ts';

/** The rooms, joined; nothing listens yet. */
export interface Server {
  readonly spool: Spool;
  readonly keepers: Keepers;
  readonly blocklists: Blocklists;
  readonly rosters: Rosters;
  /** What serves each kind of listener. */
  readonly engines: Readonly<Record<keyof Config['listen'], Engine>>;
  readonly tls: TlsContexts;
  readonly authenticator: Authenticator;
  /** For mail that a courier of this name brings. */
  courier(name: string): Session;
  /** Mails of batches that are not over. */
  readonly brought: KeyedTable<Instant>;
  current(): Current;
  /** Plugs in another configuration; the rooms see it at their next question. */
  replace(config: Config): void;
  /** Queued mail follows its domains to where they belong now. */
  follow(): Promise<Rerouted>;
  /** Begins to hand over. */
  keep(): void;
  /** Routes or policies may have changed. */
  rekeep(): void;
  /** In order: handovers get `grace` milliseconds to end, then the spool is closed. */
  close(grace: number): Promise<void>;
}

export interface CannotStart {
  readonly kind: 'failed';
  readonly why: string;
}

/** For what nobody may guess: the boundaries of notices. For jitter and order Math.random will do. */
const random = (): number => randomBytes(6).readUIntBE(0, 6) / 2 ** 48;

/** What is opened before the rooms are joined, and closed after them. */
interface Ground {
  readonly keyed: Keyed;
  readonly spool: Spool;
  readonly tls: TlsContexts;
  readonly clock: Clock;
  readonly log: Log;
}

export async function wire(config: Config, clock: Clock, log: Log): Promise<Server | CannotStart> {
  const held = { current: derive(config, randomBytes(12).toString('hex')) };
  const sharers = () => held.current.config.sites.length;
  const { reserve, spool: total = Infinity } = config.limits;
  const limits = { reserve, total };
  const dir = join(config.spool, 'mail');
  let spool: Spool;
  try {
    spool = await openLogSpool({ dir, clock, log, random: randomBytes, limits, sharers });
  } catch (error) {
    return { kind: 'failed', why: error instanceof Error ? error.message : String(error) };
  }
  // What commands left behind when we died.
  rmSync(join(config.spool, BATCH_FOLDER), { recursive: true, force: true });
  const certificates = { certificates: config.tls, folder: config.spool, hostname: config.hostname };
  const tls = await TlsContexts.open({ ...certificates, clock, log });
  if ('kind' in tls) {
    await spool.close();
    return tls;
  }
  const keyed = openKeyed(join(config.spool, 'knowledge.sqlite'), log);
  return joinRooms(held, { keyed, spool, tls, clock, log });
}

function joinRooms(held: { current: Current }, ground: Ground): Server {
  const { keyed, spool, tls, clock, log } = ground;
  const { config } = held.current;
  const { token } = held.current.ourselves;
  const servers = config.resolver.length > 0 ? config.resolver : systemServers();
  const resolver = createResolver({ servers, clock });
  const primaries = new Primaries({
    clock,
    log,
    random: Math.random,
    get ourselves() {
      return held.current.ourselves;
    },
    resolver,
    keyed,
  });
  const queueFor = (domain: string): QueueName =>
    held.current.directory.byDomain(domain)?.name ?? `>${domain}`;

  const handoverFor = handovers({
    current: () => held.current,
    primaries,
    resolver,
    batchOver: (site) => batches.look(site),
    clock,
    log,
  });
  const policyFor = (queue: QueueName): QueuePolicy | null => {
    if (queue.startsWith('>')) return FOREIGN_POLICY;
    const site = held.current.directory.byName(queue);
    return site ? sitePolicy(site) : null;
  };
  const notices = new Notices({
    clock,
    random,
    settings: () => ({
      hostname: held.current.config.hostname,
      allow: held.current.config.notices.allow,
      ...(held.current.config.postmaster !== undefined && { postmaster: held.current.config.postmaster }),
      queueFor,
    }),
  });
  const keepers = new Keepers({
    spool,
    clock,
    log,
    random: Math.random,
    notices,
    keyed,
    holder: `${config.hostname} ${process.pid}`,
    handoverFor,
    policyFor,
    undeliverable: () => held.current.config.notices.undeliverable,
    heard: (queue, said) => recipients.learn(queue, said),
  });
  const batches = new BatchWatch({
    clock,
    spool,
    batchOf: (queue) => {
      const collect = held.current.directory.byName(queue)?.collect;
      return collect?.kind === 'batch' ? collect.batch : null;
    },
    call: (queue) => void keepers.call(queue, 'a batch is due'),
  });
  const settings = () => held.current.settings;
  const directory = () => held.current.directory;
  const standings: Standings = {
    standing(site) {
      const view = keepers.view(site);
      return view ? { up: view.state === 'up' || view.state === 'draining', wary: view.wary } : undefined;
    },
  };
  const recipients: Rosters = new Rosters({
    folder: config.spool,
    clock,
    log,
    random: Math.random,
    get: httpsGet(),
    directory,
    standings,
    primaries,
  });
  const policy = new Policy({ settings, directory, primaries, standings, recipients, spool });
  const call = (site: string, by: string, from?: string): CallAnswer => {
    if (from !== undefined) primaries.called(site, from);
    return keepers.call(site, by);
  };
  const pulse = new Pulse({ primaries, clock, log });
  const escapes = new Escapes(clock, keyed);
  const whileUp = new WhileUp({
    standings,
    pulses: { seen: (site) => primaries.seen(site), ask: (site) => pulse.ask(site) },
    primaries,
    escapes,
    clock,
  });
  const throughs = new Throughs({
    whileUp,
    connector: primaries,
    passing: primaries.passing,
    roster: recipients,
    clock,
    log,
  });
  const gate = openGate({
    config: () => held.current.config,
    allowed: (address) => held.current.allowed(address),
    settings,
    primaries,
    standings,
    servers,
    keyed,
    clock,
    log,
  });
  const openSession = createReceiver({
    spool,
    policy,
    gate: gate.gate,
    inspectors: gate.inspectors,
    whileUp,
    throughs,
    isPeer: (address) => held.current.isPeer(address),
    settings,
    directory,
    primaries,
    events: {
      signOfLife: (site, peer) => keepers.signOfLife(site, `a connection from ${peer}`),
      call,
      loop: (site, peer, why) => keepers.trouble(site, `a loop: ${peer} sent back our mail: ${why}`),
    },
    key: traceKey(keyed),
    clock,
    log,
  });
  const authenticator = new SiteAuthenticator({
    secrets: new SecretStore({ path: () => held.current.config.secrets, random: randomBytes, clock, log }),
    sitesOf: (login) => held.current.sitesOf(login),
    cleartext: (address) => held.current.cleartext(address),
    hostname: () => held.current.config.hostname,
    random: randomBytes,
    clock,
    log,
  });
  const engine = () => ({
    hostname: held.current.config.hostname,
    token,
    sizeLimit: held.current.config.limits.size,
    maxRecipients: held.current.config.limits.recipients,
    tls,
    authenticator,
    clock,
    log,
  });
  const smtp = createSmtpServer(() => ({
    ...engine(),
    etrn: held.current.config.sites.some((site) => site.etrn !== undefined),
    isFront: held.current.isPeer,
    openSession,
  }));
  const maildrops = new Mailboxes({
    spool,
    siteOf: (name) => held.current.directory.byName(name),
    lend: (queue, by) => keepers.lend(queue, by),
    clock,
    log,
  });
  const pop3 = () => ({
    hostname: held.current.config.hostname,
    tls,
    authenticator,
    maildrops,
    clock,
    log,
  });
  const turn: OdmrEvents['turn'] = (sites, by, { address }, stream) => {
    const { hostname } = held.current.config;
    return callTurned(keepers, sites, by, (signal) =>
      turnedLine({ hostname, address, stream, clock, log }, signal),
    );
  };
  const odmr = createSmtpServer(() => ({
    ...engine(),
    service: ODMR,
    openSession: (peer) => new OdmrSession({ directory, events: { turn }, log }, peer),
  }));
  const stateOf = (site: QueueName) => ({
    state: keepers.view(site)?.state ?? 'idle',
    queued: spool.summary(site).count,
  });
  const desk = new CallDesk({ directory, call, stateOf, clock, log });
  // By which sites the queues were filled last, across restarts: only what has changed is looked through.
  const followed = keyed.table<readonly Claim[]>('followed');
  const follow = async (): Promise<Rerouted> => {
    const { directory } = held.current;
    const last = followed.get('sites');
    const done = await reroute(spool, last ? new SiteDirectory(last) : null, directory);
    followed.set(
      'sites',
      directory.sites.map(({ name, domains }) => ({ name, domains })),
    );
    return done;
  };
  return {
    spool,
    keepers,
    blocklists: gate.blocklists,
    rosters: recipients,
    engines: {
      smtp,
      odmr,
      call: createCallServer({ desk, tls, clock, log }),
      pop3: createPop3Server(pop3, 'on request'),
      pop3s: createPop3Server(pop3, 'immediate'),
    },
    tls,
    authenticator,
    courier: (name) => openSession({ address: name, port: 0, localAddress: '', localPort: 0 }),
    brought: keyed.table<Instant>('brought'),
    current: () => held.current,
    replace(next) {
      held.current = derive(next, token);
      gate.blocklists.configure(next.blocklists);
    },
    follow,
    keep() {
      recipients.start();
      keepers.start();
      for (const { name } of held.current.config.sites) batches.look(name);
    },
    rekeep() {
      recipients.start();
      keepers.reload();
      for (const { name } of held.current.config.sites) batches.look(name);
    },
    async close(grace) {
      batches.stop();
      gate.stop();
      await keepers.stop(grace);
      recipients.close();
      tls.close();
      escapes.flush();
      await spool.close();
      gate.close();
      keyed.close();
    },
  };
}

/** The secret behind the recipient tags in our Received fields: one for the life of the spool. */
function traceKey(keyed: Keyed): string {
  const table = keyed.table<string>('secrets');
  const kept = table.get('received key');
  if (kept !== undefined) return kept;
  const made = randomBytes(24).toString('base64url');
  table.set('received key', made);
  return made;
}
