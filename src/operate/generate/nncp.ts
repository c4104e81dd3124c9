/**
 * `restante generate nncp`: an NNCP line between us and a site, both nodes complete: nncp.hjson with keys, the commands that
 * mail is given to, the glue for the far end's mail server, exchange by TCP and by files, a test, a page to read.
 *
 * It promises: private keys stand only in files that others cannot read; a neighbour may run rmail and rsmtp and nothing
 * else, and can neither fetch nor leave files.
 */
import type { Generated } from './bundle.ts';
import { inboundFiles } from './far/inbound.ts';
import { type FarEnd, outboundFiles } from './far/outbound.ts';
import { configFiles } from './nncp/config.ts';
import { configOf, makeNncpPlan, type NncpGiven, type NncpPlan, type NncpWishes } from './nncp/plan.ts';
import { readmeFiles } from './nncp/readme.ts';
import { scriptFiles, unitsOf } from './nncp/scripts.ts';

export { type NncpWishes, type NodeKeys, readKeys } from './nncp/plan.ts';

export function generateNncp(given: NncpGiven, wishes: NncpWishes): Generated {
  const plan = makeNncpPlan(given, wishes);
  if (plan.kind === 'unusable') return plan;
  const ends = [plan.near, plan.far].flatMap((end) => [...configFiles(plan, end), ...scriptFiles(plan, end)]);
  const files = [
    ...readmeFiles(plan),
    ...ends,
    ...inboundFiles(farEnd(plan)),
    ...outboundFiles(farEnd(plan)),
  ];
  return { kind: 'ok', files, steps: stepsOf(plan) };
}

const farEnd = ({ near, far, user, sendmail, mtas, domains }: NncpPlan): FarEnd => ({
  name: far.name,
  near: near.name,
  prefix: far.prefix,
  state: far.state,
  user,
  sendmail,
  mtas,
  domains,
  queue: `nncp-exec -cfg ${configOf(far)} -quiet ${near.name} rsmtp < "$work/batch"`,
});

function stepsOf(plan: NncpPlan): string[] {
  const units = unitsOf(plan, plan.near).map((unit) => unit.name);
  return [
    `here, as root: sh near/install.sh, then systemctl enable --now ${units.join(' ')}`,
    `put the lines of near/restante.yaml into ${plan.config}, start the server again (its door for rmail is new), then: sh near/test.sh`,
    `give far/ to ${plan.far.name} by a way that others cannot read; far/README.txt says what to do there`,
  ];
}
