// A primary for the first minute: takes mail on 127.0.0.1:2526 and prints it. It keeps nothing.
import { createServer } from 'node:net';

createServer((socket) => {
  let data = false;
  let rest = '';
  const take = (line) => {
    if (data && line !== '.') return console.log(line.startsWith('.') ? line.slice(1) : line);
    const verb = line.slice(0, 4).toUpperCase();
    if (!data && (verb === 'MAIL' || verb === 'RCPT')) console.log(`> ${line}`);
    data = verb === 'DATA';
    socket.write(data ? '354 go on\r\n' : verb === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n');
  };
  socket.write('220 primary.acme.example ESMTP\r\n');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\r\n');
    rest = lines.pop();
    lines.forEach(take);
  });
}).listen(2526, '127.0.0.1', () => console.log('The primary is there: 127.0.0.1:2526'));
