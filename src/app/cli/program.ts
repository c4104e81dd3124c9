/**
 * The command line: every command with its arguments and options. A command's own file is loaded only
 * when it runs, so that each starts fast.
 */
import { Command, CommanderError, Option } from 'commander';
import type { Context } from './context.ts';
import { Stop } from './terminal.ts';

type Run = (context: Context, options: Record<string, never>, argument: never) => Promise<number>;

/** Runs one command line (without `node` and the script) and gives the exit status. */
export async function run(context: Context, args: readonly string[]): Promise<number> {
  let exit = 0;
  /** Plugs in a command that is loaded when it is called. */
  const lazily =
    (load: () => Promise<Run>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const argument = given.length > 2 ? given[0] : undefined;
      exit = await (await load())(context, command.opts(), argument as never);
    };
  const program = describeProgram(context, lazily);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof Stop) {
      context.terminal.err(`restante: ${error.message}\n`);
      return error.exit;
    }
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

type Lazily = (load: () => Promise<Run>) => (...given: unknown[]) => Promise<void>;

function describeProgram(context: Context, lazily: Lazily): Command {
  const program = new Command('restante')
    .description(
      'A secondary mail exchanger: holds the mail of other sites and hands it over when they return.',
    )
    .version(context.version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.terminal.out(text),
      writeErr: (text) => context.terminal.err(text),
    })
    .showHelpAfterError('(--help says more)')
    .helpCommand(false);
  const configured = (command: Command) =>
    command.option(
      '-c, --config <file>',
      'the configuration (RESTANTE_CONFIG, ./restante.yaml, /etc/restante/restante.yaml)',
    );
  const simple = (parent: Command, name: string, text: string) =>
    configured(parent.command(name).description(text)).option('--json', 'print JSON');

  configured(program.command('serve').description('run the server, in the foreground')).action(
    lazily(async () => (await import('./serve.ts')).serve),
  );
  simple(program, 'check', 'is the configuration good? Exits 2 with all that is wrong').action(
    lazily(async () => (await import('./check.ts')).check),
  );
  simple(program, 'status', 'the server, its spool and its queues').action(
    lazily(async () => (await import('./status.ts')).status),
  );
  simple(program, 'top', 'the same, live').action(lazily(async () => (await import('./status.ts')).top));
  simple(program, 'reload', 'read the configuration again, as SIGHUP does').action(
    lazily(async () => (await import('./reload.ts')).reload),
  );
  simple(program, 'trace <id>', 'the life of one mail; of an address: what was refused to or for it').action(
    lazily(async () => (await import('./trace.ts')).trace),
  );
  // What a far end says: no option but -c is understood, and a word that looks like one is a recipient.
  configured(
    program.command('rmail [recipients...]').description('take a mail that uuxqt or nncp-toss brings'),
  )
    .allowUnknownOption()
    .action(lazily(async () => (await import('./rmail.ts')).rmail));
  configured(program.command('rsmtp').description('take a batch of mails (BSMTP) that they bring'))
    .allowUnknownOption()
    .allowExcessArguments()
    .action(lazily(async () => (await import('./rmail.ts')).rsmtp));
  describeSite(program, simple, lazily);
  describeQueue(program, simple, lazily);
  describeRoster(program, simple, lazily);
  describeSecret(program, simple, lazily);
  describeGenerate(program, simple, lazily);
  describeCaller(program, simple, lazily);
  return program;
}

type Simple = (parent: Command, name: string, text: string) => Command;
const until = (command: Command): Command =>
  command
    .option('--reason <text>', 'why, for those who look')
    .option('--for <duration>', 'released by itself after this, such as 2d')
    .option('--until <time>', 'released by itself then');

function describeCaller(program: Command, simple: Simple, lazily: Lazily): void {
  const generate =
    program.commands.find((command) => command.name() === 'generate') ??
    program.command('generate').description('files for the machines around us');
  simple(generate, 'etrn <site>', 'a script by which a site calls for its mail')
    .requiredOption('--dir <folder>', 'the folder to write to')
    .addOption(
      new Option('--over <way>', 'with a token, or with a login; https if listen.call is there').choices([
        'https',
        'smtp',
      ]),
    )
    .option('--port <number>', 'where the site reaches us, if that is another port than we listen on')
    .action(lazily(async () => (await import('./generate-etrn.ts')).generateEtrnLine));
}

function describeSite(program: Command, simple: Simple, lazily: Lazily): void {
  const site = program.command('site').description('sites: their queues as a whole');
  const load = () => import('./site.ts');
  simple(site, 'list', 'all sites, with state and queue').action(lazily(async () => (await load()).siteList));
  simple(site, 'show <site>', 'one site').action(lazily(async () => (await load()).siteShow));
  simple(site, 'flush <site>', 'try now, all deferred mail too')
    .option('--wait', 'until all is handed over, with a progress bar')
    .action(lazily(async () => (await load()).siteFlush));
  until(simple(site, 'hold <site>', 'hand over nothing until released')).action(
    lazily(async () => (await load()).siteHold),
  );
  simple(site, 'release <site>', 'end a hold').action(lazily(async () => (await load()).siteRelease));
}

function describeQueue(program: Command, simple: Simple, lazily: Lazily): void {
  const queue = program.command('queue').description('single mails');
  const load = () => import('./queue.ts');
  const selecting = (name: string, text: string) =>
    simple(queue, `${name} [ids...]`, text)
      .option('--id <id>', 'this mail; can be repeated', (id: string, ids: string[] = []) => [...ids, id])
      .option('--site <site>', 'of this site, or queue')
      .option('--from <sender>', 'from this address, or @domain; <> for none')
      .option('--to <recipient>', 'to this address, or @domain')
      .option('--older <duration>', 'arrived longer ago than this, such as 3d')
      .addOption(
        new Option('--state <state>', 'in this state').choices([
          'queued',
          'deferred',
          'held',
          'undeliverable',
        ]),
      );
  const ALL = ['--all', 'all mail in the spool'] as const;
  selecting('list', 'mails, in order of arrival')
    .option('--limit <number>', 'at most so many')
    .action(lazily(async () => (await load()).queueList));
  simple(queue, 'show <ids...>', 'all that is known of a mail').action(
    lazily(async () => (await load()).queueShow),
  );
  selecting('flush', 'try now')
    .option(...ALL)
    .action(lazily(async () => (await load()).queueAct('flush')));
  until(selecting('hold', 'keep back until released').option(...ALL)).action(
    lazily(async () => (await load()).queueAct('hold')),
  );
  selecting('release', 'end a hold, or try undeliverable mail again')
    .option(...ALL)
    .action(lazily(async () => (await load()).queueAct('release')));
  selecting('remove', 'remove for good; nobody is told')
    .option(...ALL)
    .action(lazily(async () => (await load()).queueAct('remove')));
  selecting('export', 'write mails as files; a single one to standard output')
    .option('-o, --output <path>', 'the folder, or mbox file, to write to')
    .addOption(
      new Option('--format <format>', 'how they are written')
        .choices(['eml', 'mbox', 'maildir'])
        .default('eml'),
    )
    .option(...ALL)
    .action(lazily(async () => (await import('./export.ts')).queueExport));
}

function describeRoster(program: Command, simple: Simple, lazily: Lazily): void {
  const roster = program.command('roster').description('the recipients of a site, as far as they are known');
  const load = () => import('./roster.ts');
  simple(roster, 'show <site>', 'what is known, from where, how old it is').action(
    lazily(async () => (await load()).rosterShow),
  );
  simple(roster, 'import <site>', 'tell it recipients that are there, for a site with "verify"')
    .option('--file <file>', 'a list, or a map of Postfix or sendmail; standard input, if it is not said')
    .action(lazily(async () => (await load()).rosterImport));
  simple(roster, 'forget <site>', 'all that was learned, and the last good copies of lists')
    .option('--address <address>', 'only this one; can be repeated', (one: string, all: string[] = []) => [
      ...all,
      one,
    ])
    .action(lazily(async () => (await load()).rosterForget));
}

function describeSecret(program: Command, simple: Simple, lazily: Lazily): void {
  const secret = program.command('secret').description('logins of sites: their passwords');
  const load = () => import('./secret.ts');
  simple(secret, 'set <name>', 'give a login its password; asks for it')
    .option('--cram', 'for CRAM-MD5 too: it is kept so that it can be recovered with the key file')
    .option('--password-file <file>', 'the password is the first line of this file')
    .option('--generate', 'make one, and print it')
    .action(lazily(async () => (await load()).secretSet));
  simple(secret, 'list', 'the logins that have one').action(lazily(async () => (await load()).secretList));
  simple(secret, 'remove <name>', 'this login is none any more').action(
    lazily(async () => (await load()).secretRemove),
  );
}

function describeGenerate(program: Command, simple: Simple, lazily: Lazily): void {
  const generate = program.command('generate').description('files for the machines around us');
  const load = () => import('./generate.ts');
  const placed = (name: string, text: string) =>
    simple(generate, name, text)
      .requiredOption('--dir <folder>', 'the folder to write to')
      .option('--force', 'overwrite what is there')
      .option('--far-name <name>', "the far end's name; the site's, if it is not said")
      .option('--near-name <name>', 'our name; the first part of the hostname, if it is not said')
      .option('--far-mta <mta>', 'postfix, exim, opensmtpd or none; all three, if it is not said')
      .option('--address <host:port>', 'where the far end reaches us; the hostname, if it is not said')
      .option('--listen <address:port>', 'where we answer; on all addresses, if it is not said')
      .option('--every <time>', 'how often the far end calls', '15m')
      .option('--prefix <folder>', 'where our end is installed, if not in the usual place: all is below it')
      .option('--far-prefix <folder>', 'where the far end is installed; as --prefix, if it is not said')
      .option('--sendmail <path>', "the far end's command that takes mail", '/usr/sbin/sendmail')
      .option('--restante <path>', 'what our end runs for mail that comes; this one, if it is not said');
  placed('uucp <site>', 'a UUCP line to a site: both ends')
    .option('--over <line>', 'tcp, ssh or pipe', 'tcp')
    .option('--far-address <host:port>', 'where we call the far end; without it only the far end calls')
    .option('--user <name>', "UUCP's user", 'uucp')
    .option('--uucico <path>', 'the program that calls', '/usr/sbin/uucico')
    .action(lazily(async () => (await load()).generateUucpLine));
  placed('nncp <site>', 'an NNCP line to a site: both nodes')
    .option('--user <name>', "NNCP's user", 'nncp')
    .option('--join <file>', 'our nncp.hjson, which stays: only the neighbour is added')
    .option('--near-keys <file>', 'our keys, made by nncp-cfgnew; new ones, if it is not said')
    .option(
      '--far-keys <file>',
      "the far end's keys; its public ones are enough; new ones, if it is not said",
    )
    .action(lazily(async () => (await load()).generateNncpLine));
  simple(generate, 'primary <site>', 'what its primary must say to trust us')
    .requiredOption('--for <program>', 'postfix, exim or rspamd')
    .requiredOption('--dir <folder>', 'the folder to write to')
    .option('--force', 'overwrite what is there')
    .option(
      '--from <address>',
      'an address that handovers come from; can be repeated; those of the hostname, if it is not said',
      (one: string, all: string[] = []) => [...all, one],
    )
    .action(lazily(async () => (await import('./generate-primary.ts')).generatePrimaryTrust));
}
