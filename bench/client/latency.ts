/**
 * A light client that measures how long a mail takes, in a process of its own: so many new mails a second by
 * schedule, whatever the server does (open loop), a connection for each. Times count from the moment at which
 * the mail was due, so a client that is late cannot hide a server that is; and from the dot to its reply.
 *
 *   node bench/client/latency.ts PORT SIZE RATE WARM-UP-SECONDS SECONDS
 *
 * Prints one JSON object: milliseconds at p50, p99 and the most, and its own CPU and lateness. It waits PATIENCE
 * after the last mail was due; what has no answer by then, or lost its connection, is counted (`unanswered`) and
 * stands among the times with as long as it has waited.
 */
import { connect } from 'node:net';

const [port = 0, size = 4096, rate = 300, warmUp = 2, seconds = 10] = process.argv.slice(2).map(Number);
const LINE = `${'x'.repeat(72)}\r\n`;
const HEAD = 'From: <a@b.test>\r\nTo: <u@example.test>\r\nDate: Tue, 24 Nov 2026 01:00:00 +0000\r\n';
const TEXT = Buffer.from(`\r\n${LINE.repeat(Math.ceil(size / LINE.length))}.\r\n`);
const total = Math.round(rate * (warmUp + seconds));
const skipped = Math.round(rate * warmUp);
const [whole, dot, late] = [0, 1, 2].map(() => new Float64Array(total)) as [
  Float64Array,
  Float64Array,
  Float64Array,
];
/** Milliseconds. */
const PATIENCE = 30_000;
const dueAt = new Float64Array(total);
let ended = 0;
let cpu = process.cpuUsage();

/** What is said after each reply; the fifth is the content. */
const SAYS = ['EHLO c.b.test\r\n', 'MAIL FROM:<a@b.test>\r\n', 'RCPT TO:<u@example.test>\r\n', 'DATA\r\n'];

function mail(i: number, due: number): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  late[i] = performance.now() - due;
  dueAt[i] = due;
  let step = 0;
  let rest = '';
  let dotted = 0;
  socket.on('data', (chunk: Buffer) => {
    rest += chunk.toString('latin1');
    // A reply is complete with a line that has no hyphen behind its code.
    if (!/(?:^|\n)\d{3} [^\n]*\n$/.test(rest)) return;
    if (rest[0] !== '2' && rest[0] !== '3') fault(new Error(rest));
    rest = '';
    const say = SAYS[step];
    step++;
    if (say) socket.write(say);
    else if (step === 5) {
      socket.cork();
      socket.write(`${HEAD}Message-Id: <${process.pid}.${i}@b.test>\r\n`);
      socket.write(TEXT);
      socket.uncork();
      dotted = performance.now();
    } else if (step === 6) {
      const now = performance.now();
      dot[i] = now - dotted;
      whole[i] = now - due;
      socket.end('QUIT\r\n');
      ended++;
      if (ended === total) report();
    }
  });
  // It stays unanswered, and is counted at the end.
  socket.on('error', () => {});
}

function fault(cause: Error): void {
  console.error(cause.message);
  process.exit(1);
}

function report(): void {
  const used = process.cpuUsage(cpu);
  const now = performance.now();
  for (let i = 0; i < total; i++) {
    if (whole[i] !== 0) continue;
    whole[i] = dot[i] = now - (dueAt[i] || now);
  }
  const at = (all: Float64Array, part: number) => {
    const sorted = all.slice(skipped).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  };
  const of = (name: string, all: Float64Array) => ({
    [`${name}_p50`]: at(all, 0.5),
    [`${name}_p99`]: at(all, 0.99),
    [`${name}_max`]: at(all, 1),
  });
  const load = (used.user + used.system) / 1e6 / ((performance.now() - begun) / 1000 - warmUp);
  const figures = {
    ...of('dot', dot),
    ...of('whole', whole),
    late_p99: at(late, 0.99),
    client: load * 100,
    unanswered: total - ended,
  };
  console.log(JSON.stringify(figures));
  process.exit(0);
}

const begun = performance.now() + 100;
let next = 0;
function turn(): void {
  const now = performance.now();
  for (let due = begun; next < total; next++) {
    due = begun + (next * 1000) / rate;
    if (due > now) {
      setTimeout(turn, Math.max(0, Math.floor(due - now)));
      return;
    }
    if (next === skipped) cpu = process.cpuUsage();
    mail(next, due);
  }
}
turn();
setTimeout(report, (warmUp + seconds) * 1000 + PATIENCE);
