/**
 * The negotiation: what we offer, and what a filter makes of it. A filter may speak an older version, leave steps
 * out, not answer some, and name the macros that it wants.
 */
import {
  ACTION,
  COMMAND,
  KNOWS_SKIP,
  LEADING_SPACE,
  MACRO_STEPS,
  OLDEST,
  type Step,
  UNANSWERED,
  UNWANTED,
  VERSION,
} from './codes.ts';
import { encodePacket, Fields, type Packet, uint32 } from './packet.ts';

/** What was agreed on. */
export interface Options {
  readonly version: number;
  /** Bits of ACTION that it may ask for. */
  readonly actions: number;
  wants(step: Step): boolean;
  answers(step: Step): boolean;
  readonly leadingSpace: boolean;
  /** The macros that it wants at these steps; at others: the usual ones. */
  readonly macros: ReadonlyMap<Step, readonly string[]>;
}

const ALL_ACTIONS = Object.values(ACTION).reduce((all, bit) => all | bit, 0);
const bits = (of: Partial<Record<Step, number>>): number =>
  Object.values(of).reduce((all, bit) => all | bit, 0);
const ALL_STEPS = bits(UNWANTED) | bits(UNANSWERED) | KNOWS_SKIP | LEADING_SPACE;
/** What a list of macros may be long: there are some thirty, and a filter may make up its own. */
const MOST_MACROS = 200;

/**
 * All that a filter may ask for is offered, also what is not honoured: libmilter gives up where something is missing.
 * SMFIP_RCPT_REJ is not: filters hear of recipients that are taken.
 */
export const offer = (): Buffer =>
  encodePacket(COMMAND.negotiate, uint32(VERSION), uint32(ALL_ACTIONS), uint32(ALL_STEPS));

/** A sentence, where we cannot speak with each other. */
export function agree({ code, data }: Packet): Options | string {
  if (code !== COMMAND.negotiate) return `"${printable(code)}" in place of its options`;
  const fields = new Fields(data);
  const [version, actions, steps] = [fields.uint32(), fields.uint32(), fields.uint32()];
  if (version === undefined || actions === undefined || steps === undefined)
    return 'options that are too short';
  if (version < OLDEST || version > VERSION) {
    return `version ${version} of the protocol; ${OLDEST} to ${VERSION} are spoken`;
  }
  if ((actions & ~ALL_ACTIONS) !== 0) return `actions that are not known (0x${(actions >>> 0).toString(16)})`;
  const macros = macrosOf(fields);
  if (typeof macros === 'string') return macros;
  return {
    version,
    actions,
    wants: (step) => (steps & (UNWANTED[step] ?? 0)) === 0 && isKnownTo(version, step),
    answers: (step) => (steps & (UNANSWERED[step] ?? 0)) === 0,
    leadingSpace: (steps & LEADING_SPACE) !== 0,
    macros,
  };
}

/** Version 3 brought unknown commands, version 4 DATA. */
function isKnownTo(version: number, step: Step): boolean {
  if (step === 'unknown') return version >= 3;
  return step === 'data' ? version >= 4 : true;
}

function macrosOf(fields: Fields): Map<Step, string[]> | string {
  const macros = new Map<Step, string[]>();
  while (!fields.isOver) {
    const [number, names] = [fields.uint32(), fields.string()];
    if (number === undefined || names === undefined) return 'a list of macros that is cut off';
    const step = MACRO_STEPS[number];
    // A later version may know more steps.
    if (!step) continue;
    const words = names.toString('latin1').split(/[ ,]+/).filter(Boolean);
    if (words.length > MOST_MACROS) return `${words.length} macros for one step`;
    macros.set(step, words);
  }
  return macros;
}

/** For the log: nothing that would be read otherwise. */
export const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
