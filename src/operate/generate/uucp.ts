/**
 * `restante generate uucp`: a UUCP line between us and a site, both ends complete: Taylor UUCP's files, the commands
 * that mail is given to, the glue for the far end's mail server, what the machine runs by itself, a test, a page to read.
 *
 * It promises: what it makes works as it is; passwords and keys stand only in files that others cannot read; the far end
 * may run rmail, rsmtp and rcsmtp and nothing else, and can neither fetch nor leave files.
 */
import { file, type Generated, type GeneratedFile, SECRET } from './bundle.ts';
import { inboundFiles } from './far/inbound.ts';
import { type FarEnd, outboundFiles } from './far/outbound.ts';
import { checkFile } from './uucp/check.ts';
import { installFiles, unitsOf } from './uucp/install.ts';
import { nearFiles } from './uucp/near.ts';
import { type Given, makePlan, other, type Plan, tell, type UucpWishes } from './uucp/plan.ts';
import { readmeFiles } from './uucp/readme.ts';
import { taylorFiles } from './uucp/taylor.ts';
import { unitFiles } from './uucp/units.ts';

export type { Given, UucpWishes } from './uucp/plan.ts';

export function generateUucp(given: Given, wishes: UucpWishes): Generated {
  const plan = makePlan(given, wishes);
  if (plan.kind === 'unusable') return plan;
  const { near, far } = plan;
  const ends = [near, far].flatMap((end) => [
    ...taylorFiles(plan, end),
    ...installFiles(plan, end),
    ...unitFiles(plan, end),
    checkFile(plan, end),
  ]);
  const files = [
    ...readmeFiles(plan),
    ...ends,
    ...nearFiles(plan, near, far),
    ...inboundFiles(farEnd(plan)),
    ...outboundFiles(farEnd(plan)),
    ...keyFiles(plan),
  ];
  return { kind: 'ok', files, steps: stepsOf(plan) };
}

const farEnd = ({ near, far, user, sendmail, mtas, domains }: Plan): FarEnd => ({
  name: far.name,
  near: near.name,
  prefix: far.folders.prefix,
  state: far.folders.state,
  user,
  sendmail,
  mtas,
  domains,
  queue: `gzip -9 < "$work/batch" > "$work/job" && uux${tell(far)} -p -r -n '${near.name}!rcsmtp' < "$work/job"`,
});

/** The keys of ends that call, and what each may do at the other. */
function keyFiles(plan: Plan): GeneratedFile[] {
  return [plan.near, plan.far].flatMap((end) => {
    if (!end.key) return [];
    const peer = other(plan, end);
    const command = `${plan.uucico} -D${tell(peer)} -u ${peer.login.name}`;
    return [
      file(`${end.side}/ssh/key`, SECRET, end.key.secret),
      file(`${peer.side}/ssh/authorized_keys`, SECRET, `restrict,command="${command}" ${end.key.public}`),
    ];
  });
}

function stepsOf(plan: Plan): string[] {
  const start =
    plan.over === 'tcp' ? `, then systemctl enable --now ${unitsOf(plan, plan.near).join(' ')}` : '';
  return [
    `here, as root: sh near/install.sh${start}`,
    `put the lines of near/restante.yaml into ${plan.config}, start the server again (its door for rmail is new), then: sh near/test.sh`,
    `give far/ to ${plan.far.name} by a way that others cannot read; far/README.txt says what to do there`,
  ];
}
