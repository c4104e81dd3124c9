/**
 * The files of Taylor UUCP for one end: config, sys, port, call, passwd. Each holds what is about this line only;
 * `install.sh` merges it into what the machine has, so that one machine can have many lines.
 */
import { file, type GeneratedFile, PLAIN, SECRET } from '../bundle.ts';
import { answers, calls, type End, other, type Plan, tell } from './plan.ts';

export function taylorFiles(plan: Plan, end: End): GeneratedFile[] {
  const peer = other(plan, end);
  const at = (name: string) => `${end.side}/etc/${name}`;
  const files = [file(at('config'), PLAIN, config(end)), file(at('sys'), PLAIN, sys(plan, end, peer))];
  if (calls(plan, end)) {
    files.push(file(at('port'), PLAIN, port(plan, end, peer)));
    if (plan.over === 'tcp') {
      files.push(file(at('call'), SECRET, `${peer.name} ${peer.login.name} ${peer.login.password}`));
    }
  }
  if (answers(plan, end) && plan.over === 'tcp') {
    files.push(file(at('passwd'), SECRET, `${end.login.name} ${end.login.password}`));
  }
  return files;
}

function config(end: End): string {
  const { own, prefix, spool, log, public: pub } = end.folders;
  const lines = [`nodename ${end.name}`];
  if (own) {
    lines.push(
      `spool ${spool}`,
      `pubdir ${pub}`,
      `lockdir ${spool}`,
      `logfile ${log}/Log`,
      `statfile ${log}/Stats`,
      `debugfile ${log}/Debug`,
      ...['sys', 'port', 'dial', 'call', 'passwd'].map((name) => `${name}file ${prefix}/${name}`),
    );
  }
  return lines.join('\n');
}

function sys(plan: Plan, end: End, peer: End): string {
  const lines = [`system ${peer.name}`];
  if (calls(plan, end)) {
    lines.push('time any', `port ${peer.name}`);
    if (plan.over === 'tcp') {
      lines.push(
        `address ${peer.reached?.host}`,
        String.raw`chat ogin: \L word: \P`,
        'chat-timeout 60',
        'call-login *',
        'call-password *',
      );
    } else {
      lines.push('chat ""'); // whoever may run the command need not log in
    }
  } else {
    lines.push('time never');
  }
  // Without it, any caller with any login could take our mail for this name.
  lines.push(`called-login ${answers(plan, end) ? end.login.name : 'none'}`);
  lines.push(
    // t trusts the line to be free of errors and waits for no answers: right for TCP, ssh and pipes of any delay.
    'protocol ti',
    'commands rmail rsmtp rcsmtp',
    `command-path ${end.folders.prefix}/bin`,
    // Mail travels by commands. Files of this machine are neither given nor taken.
    'send-request no',
    'local-send ~',
    'remote-send !/',
    'remote-receive !/',
    'max-remote-debug none',
  );
  return lines.join('\n');
}

/** The port by which the peer is called. */
function port(plan: Plan, end: End, peer: End): string {
  const lines = [`port ${peer.name}`];
  const where = peer.reached;
  switch (plan.over) {
    case 'tcp':
      lines.push('type tcp', `service ${where?.port}`);
      break;
    case 'ssh':
      lines.push('type pipe', `command ${sshCommand(plan, end, peer)}`, 'reliable true');
      break;
    case 'pipe':
      lines.push(
        'type pipe',
        `command ${plan.uucico} -D${tell(peer)} -u ${peer.login.name}`,
        'reliable true',
      );
      break;
    default:
      return plan.over satisfies never;
  }
  return lines.join('\n');
}

function sshCommand(plan: Plan, end: End, peer: End): string {
  const { prefix, state } = end.folders;
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile=${state}/known_hosts`,
    'ServerAliveInterval=30',
  ];
  const where = peer.reached;
  return [
    '/usr/bin/ssh -a -x -T -q',
    ...options.map((option) => `-o ${option}`),
    `-i ${prefix}/ssh-${peer.name}`,
    `-p ${where?.port} -l ${plan.user} ${where?.host} uucico`,
  ].join(' ');
}
