/** What the machine runs by itself at one end: the socket that answers, the timer that calls. For systemd, and for cron. */
import { file, fill, type GeneratedFile, PLAIN } from '../bundle.ts';
import { answers, calls, type End, other, type Plan, tell } from './plan.ts';

const SOCKET = `
[Unit]
Description=UUCP calls from other systems
Conflicts=uucp.socket

[Socket]
ListenStream=@STREAM@
Accept=yes
MaxConnections=20

[Install]
WantedBy=sockets.target
`;

const SERVICE = `
[Unit]
Description=A UUCP call

[Service]
User=@USER@
ExecStart=-@UUCICO@ -l -D@TELL@
StandardInput=socket
RuntimeMaxSec=1d
`;

const TIMER = `
[Unit]
Description=@WHAT@, every @MINUTES@ minutes

[Timer]
OnBootSec=1min
OnUnitInactiveSec=@MINUTES@min
RandomizedDelaySec=30s

[Install]
WantedBy=timers.target
`;

const CALL = `
[Unit]
Description=@WHAT@
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User=@USER@
@RUN@
`;

export function unitFiles(plan: Plan, end: End): GeneratedFile[] {
  const peer = other(plan, end);
  const name = `restante-uucp-${peer.name}`;
  const at = (what: string) => `${end.side}/systemd/${what}`;
  const listen = end.side === 'near' ? plan.listen : { host: '::', port: end.reached?.port ?? 540 };
  // Jobs that said "try again" (exit 75) wait for the next uuxqt.
  const runs = [`/usr/sbin/uuxqt${tell(end)}`];
  if (calls(plan, end)) runs.unshift(`${plan.uucico} -D -c -s ${peer.name}${tell(end)}`);
  const values = {
    USER: plan.user,
    UUCICO: plan.uucico,
    TELL: tell(end),
    MINUTES: String(plan.minutes),
    WHAT: calls(plan, end) ? `Calls ${peer.name} by UUCP` : `Tries again what came from ${peer.name} by UUCP`,
    RUN: runs.map((run) => `ExecStart=-${run}`).join('\n'),
    STREAM:
      listen.host === '::'
        ? String(listen.port)
        : `${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`,
  };
  const cron = runs.map((run) => `${cronTimes(plan.minutes)}\t${plan.user}\t${run}`).join('\n');
  const files = [
    file(at(`${name}.timer`), PLAIN, fill(TIMER, values)),
    file(at(`${name}.service`), PLAIN, fill(CALL, values)),
    file(
      `${end.side}/cron.txt`,
      PLAIN,
      `# Instead of the systemd timer: copy it to /etc/cron.d/${name}, owner root, mode 644.\n${cron}`,
    ),
  ];
  if (answers(plan, end) && plan.over === 'tcp') {
    files.push(
      file(at('restante-uucp.socket'), PLAIN, fill(SOCKET, values)),
      file(at('restante-uucp@.service'), PLAIN, fill(SERVICE, values)),
      file(
        `${end.side}/inetd.txt`,
        PLAIN,
        `# Instead of the systemd socket: a line for /etc/inetd.conf.\n${listen.port}\tstream\ttcp\tnowait\t${plan.user}\t${plan.uucico}\tuucico -l -D${tell(end)}`,
      ),
    );
  }
  return files;
}

function cronTimes(minutes: number): string {
  if (minutes < 60) return `*/${minutes} * * * *`;
  return minutes < 24 * 60 ? `7 */${Math.round(minutes / 60)} * * *` : '7 4 * * *';
}
