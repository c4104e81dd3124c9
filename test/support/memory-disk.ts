/**
 * A disk in memory with the history of all that was asked of it, and what power loss may leave of it at
 * any moment of that history.
 *
 * THE MODEL (docs/failure.md tells it to operators):
 * - A write is safe only by a datasync of its file that was begun after the write had returned, and that
 *   has returned. A name (made, renamed, removed; also that of a folder) only by a syncDir of its folder
 *   that was begun after, and has returned. Nothing else makes anything safe: not time, not a close, not the
 *   sync of another file, not that something later is safe.
 * - What is not safe may survive or not. Octets: each 512 of a file (a sector) by themselves are as any
 *   moment since the last safe one left them; the length too. A sector below that length which was never
 *   written holds zeros, or octets that were on the disk before.
 * - Names of one folder: up to some moment (a journal), or any of them without the others (no journal).
 *   A rename is one change; one between folders loses no file, at worst both names are there.
 * - What is under way when the power goes may be on the disk wholly, partly or not at all.
 * - After a datasync that failed, what it was to make safe never is, though it can still be read.
 * - A sector is written wholly or not; what is safe stays as it is. (Damage is another test.)
 */

export const SECTOR = 512;

/** A write, or a truncation to `at`. `ended` is Infinity while it is under way. */
export interface Op {
  readonly began: number;
  ended: number;
  readonly at: number;
  octets: Buffer;
  readonly cut: boolean;
  /** A sync failed after it. */
  doomed: boolean;
}

interface Synced {
  readonly began: number;
  readonly ended: number;
}

export interface NameChange {
  readonly began: number;
  ended: number;
  readonly name: string;
  /** Null: the name is removed. */
  readonly node: Inode | Folder | null;
  /** The second name that a rename within the folder takes away. */
  readonly from?: string;
  /** Of a rename between folders, the change there that sets the new name. */
  readonly onlyWith?: NameChange;
}

export class Inode {
  /** As a reader sees it. */
  now: Buffer;
  /** Safe from the beginning. */
  readonly base: Buffer;
  readonly ops: Op[] = [];
  readonly syncs: Synced[] = [];
  readonly #memo = new Map<number, Buffer>();

  constructor(base: Buffer = Buffer.alloc(0)) {
    this.base = base;
    this.now = base;
  }

  /** What is safe at a moment, and the operations after it. */
  at(moment: number): { safe: Buffer; unsafe: Op[] } {
    const until = safeUntil(this.syncs, moment);
    const ops = this.ops.filter((op) => op.began <= moment);
    const isSafe = (op: Op): boolean => op.ended <= until && !op.doomed;
    const safe = ops.filter(isSafe);
    let content = this.#memo.get(safe.length);
    if (!content) {
      content = safe.reduce(applied, this.base);
      this.#memo.set(safe.length, content);
    }
    return { safe: content, unsafe: ops.filter((op) => !isSafe(op)) };
  }
}

export class Folder {
  readonly names: Map<string, Inode | Folder>;
  readonly base: ReadonlyMap<string, Inode | Folder>;
  readonly changes: NameChange[] = [];
  readonly syncs: Synced[] = [];

  constructor(base: ReadonlyMap<string, Inode | Folder> = new Map()) {
    this.base = base;
    this.names = new Map(base);
  }

  at(moment: number): { safe: NameChange[]; unsafe: NameChange[] } {
    const until = safeUntil(this.syncs, moment);
    const changes = this.changes.filter((c) => c.began <= moment);
    return {
      safe: changes.filter((c) => c.ended <= until),
      unsafe: changes.filter((c) => c.ended > until),
    };
  }
}

/** What becomes of that which is not safe. */
export interface Fate {
  /** Does it survive? `i` counts the unsafe changes of the folder. */
  name(change: NameChange, i: number, of: readonly NameChange[]): boolean;
  /** After how many of the operations: the length, and each sector. */
  content(ops: readonly Op[]): { readonly size: number; sector(i: number): number };
  /** What stands where nothing was written. */
  hole(into: Buffer): void;
}

/** The disk as power loss leaves it: all of it is safe. */
export function afterPowerLoss(root: Folder, moment: number, fate: Fate): Folder {
  const kept = new Set<NameChange>();
  decideNames(root, moment, fate, kept, new Set());
  const inodes = new Map<Inode, Inode>();
  const copy = (folder: Folder): Folder => {
    const names = new Map<string, Inode | Folder>(folder.base);
    for (const change of folder.changes) {
      if (kept.has(change) && (!change.onlyWith || kept.has(change.onlyWith))) applyName(names, change);
    }
    for (const [name, node] of names) names.set(name, node instanceof Folder ? copy(node) : survivor(node));
    return new Folder(names);
  };
  const survivor = (node: Inode): Inode => {
    const rest = inodes.get(node) ?? new Inode(survivingContent(node, moment, fate));
    inodes.set(node, rest);
    return rest;
  };
  return copy(root);
}

/** The disk as a process sees it that starts after another was killed: nothing is lost, nothing is safer than before. */
export function afterKill(root: Folder, moment: number, underWay: (op: Op | NameChange) => boolean): Folder {
  const copies = new Map<Inode, Inode>();
  const inode = (node: Inode): Inode => {
    const known = copies.get(node);
    if (known) return known;
    const { safe, unsafe } = node.at(moment);
    const rest = new Inode(Buffer.from(safe));
    copies.set(node, rest);
    for (const op of unsafe) {
      if (op.ended > moment && !underWay(op)) continue;
      rest.ops.push({ ...op, began: 0, ended: 0 });
      rest.now = applied(rest.now, op);
    }
    return rest;
  };
  const folders = new Map<Folder, Folder>();
  const folder = (node: Folder): Folder => {
    const known = folders.get(node);
    if (known) return known;
    const { safe, unsafe } = node.at(moment);
    const base = new Map<string, Inode | Folder>();
    for (const [name, child] of node.base) base.set(name, either(child));
    for (const change of safe) applyName(base, { ...change, node: change.node && either(change.node) });
    const rest = new Folder(base);
    folders.set(node, rest);
    for (const change of unsafe) {
      if (change.ended > moment && !underWay(change)) continue;
      const again = { ...change, began: 0, ended: 0, node: change.node && either(change.node) };
      rest.changes.push(again);
      applyName(rest.names, again);
    }
    return rest;
  };
  const either = (node: Inode | Folder): Inode | Folder =>
    node instanceof Folder ? folder(node) : inode(node);
  return folder(root);
}

/** Which changes of names are there afterwards, in this folder and those below. */
function decideNames(
  folder: Folder,
  moment: number,
  fate: Fate,
  kept: Set<NameChange>,
  seen: Set<Folder>,
): void {
  if (seen.has(folder)) return;
  seen.add(folder);
  const { safe, unsafe } = folder.at(moment);
  for (const change of safe) kept.add(change);
  for (const [i, change] of unsafe.entries()) if (fate.name(change, i, unsafe)) kept.add(change);
  for (const node of [...folder.base.values(), ...folder.changes.map((c) => c.node)]) {
    if (node instanceof Folder) decideNames(node, moment, fate, kept, seen);
  }
}

function survivingContent(inode: Inode, moment: number, fate: Fate): Buffer {
  const { safe, unsafe } = inode.at(moment);
  if (unsafe.length === 0) return Buffer.from(safe);
  const versions = [safe];
  for (const op of unsafe) versions.push(applied(versions.at(-1) ?? safe, op));
  const choice = fate.content(unsafe);
  const rest = Buffer.alloc(versions[choice.size]?.length ?? 0);
  for (let at = 0; at < rest.length; at += SECTOR) {
    const end = Math.min(rest.length, at + SECTOR);
    const from = versions[choice.sector(at / SECTOR)] ?? safe;
    const have = at < from.length ? from.copy(rest, at, at, end) : 0;
    if (at + have < end) fate.hole(rest.subarray(at + have, end));
  }
  return rest;
}

export function applied(octets: Buffer, op: { at: number; octets: Buffer; cut: boolean }): Buffer {
  const end = op.cut ? op.at : Math.max(octets.length, op.at + op.octets.length);
  const rest = Buffer.alloc(end);
  octets.copy(rest, 0, 0, end);
  if (!op.cut) op.octets.copy(rest, op.at);
  return rest;
}

export function applyName(names: Map<string, Inode | Folder>, change: NameChange): void {
  if (change.from !== undefined) names.delete(change.from);
  if (change.node === null) names.delete(change.name);
  else names.set(change.name, change.node);
}

function safeUntil(syncs: readonly Synced[], moment: number): number {
  let until = -1;
  for (const sync of syncs) if (sync.ended <= moment && sync.began > until) until = sync.began;
  return until;
}
