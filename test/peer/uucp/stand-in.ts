/** A script in the place of a program that takes mail: it keeps what it was given. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** One mail, or one job, as it was given to a stand-in. */
export interface Taken {
  readonly args: readonly string[];
  /** Who brought it: UUCP's system, or NNCP's node id. */
  readonly machine: string;
  readonly content: Buffer;
}

/** Makes the program `path`; what it gets goes into folders in `into`. */
export function standIn(path: string, into: string): void {
  mkdirSync(into);
  chmodSync(into, 0o777);
  const text = `#!/bin/sh
# ${basename(path)}
PATH=/usr/bin:/bin
[ "$1" = check ] && { echo good; exit 0; }
d=$(mktemp -d ${into}/.XXXXXX) || exit 75
cat > "$d/content"
for a in "$@"; do printf '%s\\n' "$a" >> "$d/args"; done
printf '%s' "\${UU_MACHINE:-}\${NNCP_SENDER:-}" > "$d/machine"
chmod -R a+rX "$d"
mv "$d" "${into}/$(basename "$d" | tr -d .)"
`;
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

export function taken(folder: string): Taken[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({
      args: readFileSync(join(folder, name, 'args'), 'utf8')
        .trimEnd()
        .split('\n'),
      machine: readFileSync(join(folder, name, 'machine'), 'utf8'),
      content: readFileSync(join(folder, name, 'content')),
    }));
}
