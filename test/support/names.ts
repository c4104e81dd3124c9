/**
 * A DNS server of a test's own: no question of a server under test leaves this machine. It knows what it is told, and that
 * there is nothing else. By UDP only.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import * as packet from 'dns-packet';

const NXDOMAIN = 3;

export class Names {
  readonly #socket: Socket;
  readonly port: number;
  /** By type and name: "TXT acme.example". */
  readonly answers = new Map<string, readonly packet.Answer[]>();
  readonly asked: string[] = [];

  static async start(): Promise<Names> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Names(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (octets, from) => {
      const answer = this.#answer(packet.decode(octets));
      if (answer) socket.send(answer, from.port, from.address);
    });
    // A test that forgets it ends all the same.
    socket.unref();
  }

  txt(name: string, ...data: string[]): void {
    this.answers.set(
      `TXT ${name}`,
      data.map((text) => ({ type: 'TXT', name, ttl: 60, data: [text] })),
    );
  }

  #answer(query: packet.Packet): Buffer | null {
    const question = query.questions?.[0];
    if (!question) return null;
    const key = `${question.type} ${question.name.toLowerCase()}`;
    this.asked.push(key);
    const answers = this.answers.get(key);
    return packet.encode({
      type: 'response',
      ...(query.id !== undefined && { id: query.id }),
      flags: packet.RECURSION_AVAILABLE | (answers ? 0 : NXDOMAIN),
      questions: [question],
      answers: [...(answers ?? [])],
    });
  }

  /** The line of a configuration that has it asked. */
  get line(): string {
    return `resolver: ["127.0.0.1:${this.port}"]`;
  }

  stop(): void {
    this.#socket.close();
  }
}
