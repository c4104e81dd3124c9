/**
 * The log port made from pino: JSON lines on standard error, readable ones on a terminal. A line that
 * speaks of a mail goes into the trace journal too, whatever the level, as the same text: it is
 * built once. A reader of standard error that has stopped costs lines, never memory or mail.
 */
import { destination, type Logger, pino } from 'pino';
import type { Clock, Timer } from '../base/clock.ts';
import { Gathered } from '../base/gathered.ts';
import type { Fields, Log } from '../base/log.ts';
import type { LogLevel } from '../config/config.ts';

/** Lines wait for so many milliseconds, or octets, and leave in one write; a warning goes at once. */
const GATHER = { ms: 50, octets: 64 * 1024 };
const MOST_PENDING = 4 * 1024 * 1024;
const WEIGHT: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50 };
// Each line begins with {"level":"…: its weight is told by the word's first letter.
const LETTER_AT = '{"level":"'.length;
const weightOf = (line: string): number => {
  const letter = line[LETTER_AT];
  return letter === 'd' ? 20 : letter === 'i' ? 30 : letter === 'w' ? 40 : 50;
};

interface Sink {
  write(line: string): void;
  /** Before the process ends. */
  flush(): void;
}

interface Lines {
  write(line: string): void;
}
const REFUSAL = /"event":"(?:recipient|mail) refused"\}\n$/;

export interface Logging {
  readonly log: Log;
  setLevel(level: LogLevel): void;
  /** From now on lines of mails go there too; what was refused, to `refusals`. */
  tee(journal: Lines, refusals?: Lines): void;
  flush(): void;
}

export async function openLog(level: LogLevel, clock: Clock): Promise<Logging> {
  return makeLog(level, clock, await standardError(clock));
}

export function makeLog(level: LogLevel, clock: Clock, sink: Sink): Logging {
  const gate = { debug: level === 'debug' };
  let shown = WEIGHT[level];
  let journal: Lines | undefined;
  let refusals: Lines | undefined;
  const both = {
    write(line: string): void {
      if (weightOf(line) >= shown) sink.write(line);
      if (journal && line.includes('"mail":"')) journal.write(line);
      if (refusals && REFUSAL.test(line)) refusals.write(line);
    },
  };
  const logger = pino(
    {
      // The gate and the sink choose: what is not shown may have to go into the journal all the same.
      level: 'debug',
      messageKey: 'event',
      base: undefined,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    },
    both,
  );
  return {
    log: new PinoLog(logger, gate),
    setLevel(next) {
      shown = WEIGHT[next];
      gate.debug = next === 'debug';
    },
    tee(lives, refused) {
      journal = lives;
      refusals = refused;
    },
    flush: () => sink.flush(),
  };
}

class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #gate: { debug: boolean };

  constructor(logger: Logger, gate: { debug: boolean }) {
    this.#logger = logger;
    this.#gate = gate;
  }

  debug(event: string, fields?: Fields): void {
    if (this.#gate.debug) this.#logger.debug(fields, event);
  }

  info(event: string, fields?: Fields): void {
    this.#logger.info(fields, event);
  }

  warn(event: string, fields?: Fields): void {
    this.#logger.warn(fields, event);
  }

  error(event: string, fields?: Fields): void {
    this.#logger.error(fields, event);
  }

  child(fields: Fields): Log {
    return new PinoLog(this.#logger.child(fields), this.#gate);
  }
}

function gathering(clock: Clock, stream: ReturnType<typeof destination>): Sink {
  const lines = new Gathered();
  let timer: Timer | undefined;
  const send = (): void => {
    timer?.cancel();
    timer = undefined;
    // It was made to take buffers, of which its types know nothing.
    if (lines.length > 0) stream.write(lines.take() as unknown as string);
  };
  return {
    write(line) {
      lines.add(line);
      if (lines.length >= GATHER.octets || weightOf(line) >= WEIGHT.warn) send();
      else timer ??= clock.after(GATHER.ms, send);
    },
    flush() {
      send();
      stream.flushSync();
    },
  };
}

async function standardError(clock: Clock): Promise<Sink> {
  if (!process.stderr.isTTY) {
    const stream = destination({ dest: 2, sync: false, maxLength: MOST_PENDING, contentMode: 'buffer' });
    stream.on('error', () => {}); // nobody reads any more: there is nowhere left to say so
    return gathering(clock, stream);
  }
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({
    colorize: true,
    messageKey: 'event',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  const show = (line: string) => void process.stderr.write(String(pretty(line)));
  return { write: show, flush() {} };
}
