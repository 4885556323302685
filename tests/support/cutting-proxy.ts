import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy that cuts a client off at the moment at which it has passed on what the client sent. */
export class CuttingProxy {
  readonly #server = createServer((client) => this.#serve(client));
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #armed: { readonly pattern: string; readonly when: 'at once' | 'answered' } | null = null;
  #cuts = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
  }

  /** In front of the database of this URL; answers the URL by which to go through it. */
  static async open(url: string): Promise<{ readonly proxy: CuttingProxy; readonly url: string }> {
    const through = new URL(url);
    const proxy = new CuttingProxy({ host: through.hostname, port: Number(through.port) });
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    through.hostname = '127.0.0.1';
    through.port = String((proxy.#server.address() as AddressInfo).port);
    return { proxy, url: through.href };
  }

  /** How often a client was cut off. */
  get cuts(): number {
    return this.#cuts;
  }

  /** The next who sends this is cut off: at once, or when the answer begins, which is not passed on. */
  arm(pattern: string, when: 'at once' | 'answered'): void {
    this.#armed = { pattern, when };
  }

  disarm(): void {
    this.#armed = null;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(client: Socket): void {
    const server = connect(this.#target);
    let state: 'open' | 'answering' | 'cut' = 'open';
    const cut = () => {
      state = 'cut';
      this.#cuts += 1;
      client.destroy();
      // What was passed on arrives; then the connection ends.
      server.end();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (socket === server) client.destroy();
        else if (state !== 'cut') server.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (state === 'cut') return;
      server.write(chunk);
      if (state !== 'open' || this.#armed === null || !chunk.includes(this.#armed.pattern)) return;
      const { when } = this.#armed;
      this.#armed = null;
      if (when === 'at once') cut();
      else state = 'answering';
    });
    server.on('data', (chunk) => {
      if (state === 'answering') cut();
      else if (state === 'open') client.write(chunk);
    });
  }
}
