/** What a command sees of the world it prints to, and how it ends early. */
import { homedir, userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

export interface Terminal {
  /** Standard output. */
  out(text: string | Uint8Array): void;
  /** Standard error. */
  err(text: string): void;
  /** Is standard output a terminal? */
  readonly tty: boolean;
  readonly columns: number;
  readonly colour: boolean;
  now(): number;
  /** Absent: nobody can be asked. */
  readonly ask?: Ask;
  /** Resolves when written text has gone out so far that more may follow. */
  drained(): Promise<void>;
}

/** For what may not be shown. */
export interface Ask {
  /** A person answers: to be asked twice. */
  readonly person: boolean;
  /** One line, without echo; from a pipe, its first line. Null: there is none. */
  hidden(prompt: string): Promise<string | null>;
}

/** 0 done, 1 not done, 2 used wrongly. */
export type Exit = 0 | 1 | 2;

/** Ends a command with one message for the user; `main.ts` alone catches it. */
export class Stop extends Error {
  readonly exit: Exit;

  constructor(exit: Exit, message: string) {
    super(message);
    this.exit = exit;
  }
}

export function realTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  // A reader that has seen enough (`| head`) is no error.
  stdout.on('error', () => process.exit(0));
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    tty: stdout.isTTY === true,
    get columns() {
      return stdout.columns ?? 80;
    },
    colour: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    now: () => Date.now(),
    ask: { person: stdin.isTTY === true, hidden },
    drained: () =>
      stdout.writableNeedDrain
        ? new Promise((resolve) => stdout.once('drain', () => resolve()))
        : Promise.resolve(),
  };
}

function hidden(prompt: string): Promise<string | null> {
  const { stdin, stderr } = process;
  if (stdin.isTTY) stderr.write(prompt);
  // Readline takes the terminal out of its echo, and its own goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: stdin.isTTY === true });
  return new Promise((resolve) => {
    const done = (line: string | null) => {
      resolve(line);
      lines.close();
      if (stdin.isTTY) stderr.write('\n');
    };
    lines.once('line', done);
    lines.once('SIGINT', () => done(null));
    lines.once('close', () => resolve(null));
  });
}

/** Who runs the command, for reasons and the log. */
export function userName(): string {
  try {
    return process.env.SUDO_USER || userInfo().username;
  } catch {
    return homedir();
  }
}
