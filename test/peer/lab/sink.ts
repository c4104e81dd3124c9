/**
 * Runs inside a host of the lab: an SMTP server that takes everything and writes one JSON line for each
 * mail: its Message-ID and when its end of data came. It keeps nothing.
 *   node sink.ts ADDRESS PORT
 */
import { createServer, type Socket } from 'node:net';

export interface Arrival {
  readonly messageId: string;
  readonly at: number;
}

const END = Buffer.from('\r\n.\r\n');

/** One dialog. Understands pipelined commands; offers nothing but PIPELINING and 8BITMIME. */
function serve(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  let data = false;
  socket.on('error', () => socket.destroy());
  socket.write('220 sink.example.test ESMTP\r\n');
  socket.on('data', (chunk: Buffer) => {
    // Replies to pipelined commands leave together, as every MTA does it (RFC 2920 §3.2).
    socket.cork();
    process.nextTick(() => socket.uncork());
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    for (;;) {
      const end = data ? rest.indexOf(END) : rest.indexOf('\r\n');
      if (end < 0) return;
      const piece = rest.subarray(0, end).toString('latin1');
      rest = rest.subarray(end + (data ? END.length : 2));
      if (data) {
        const messageId = /^message-id:\s*(\S+)/im.exec(piece)?.[1] ?? '';
        process.stdout.write(`${JSON.stringify({ messageId, at: Date.now() } satisfies Arrival)}\n`);
        data = false;
        socket.write('250 2.0.0 taken\r\n');
        continue;
      }
      const verb = piece.slice(0, 4).toUpperCase();
      if (verb === 'DATA') data = true;
      if (verb === 'EHLO') socket.write('250-sink.example.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n');
      else if (verb === 'QUIT') socket.end('221 2.0.0 bye\r\n');
      else socket.write(data ? '354 go on\r\n' : '250 2.0.0 ok\r\n');
    }
  });
}

if (import.meta.main) {
  const [address = '127.0.0.1', port = '25'] = process.argv.slice(2);
  createServer({ noDelay: true }, serve).listen(Number(port), address);
}
