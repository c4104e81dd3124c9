/** What arrived, mail by mail: the Message-Ids of a dump, each of which smtp-source writes once. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Compared {
  readonly sent: number;
  readonly lost: number;
  readonly doubled: number;
}

export async function compare(dump: string, sent: number): Promise<Compared> {
  const grep = spawn('grep', ['-a', '-i', '-h', '^Message-Id:', dump], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ids = new Set<string>();
  let doubled = 0;
  for await (const line of createInterface({ input: grep.stdout })) {
    if (ids.has(line)) doubled++;
    else ids.add(line);
  }
  return { sent, lost: sent - ids.size, doubled };
}
