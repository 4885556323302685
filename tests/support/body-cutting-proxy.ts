import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy that cuts or silences connections on the way to a service. */
export class BodyCuttingProxy {
  /** Where connections go; may change, as when the service starts again elsewhere. */
  targetPort: number;
  /** Connections that were cut. */
  cuts = 0;
  /** Bytes on a connection's way to the service after which it is cut, one for each connection; none left: no cut. */
  readonly cutAfterBytes: number[];
  /** Bytes after which the next connection falls silent in both directions, and stays open. */
  hangAfterBytes: number | null = null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(targetPort: number, cutAfterBytes: readonly number[]) {
    this.targetPort = targetPort;
    this.cutAfterBytes = [...cutAfterBytes];
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(targetPort: number, cutAfterBytes: readonly number[] = []): Promise<BodyCuttingProxy> {
    const proxy = new BodyCuttingProxy(targetPort, cutAfterBytes);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    const service = connect(this.targetPort, '127.0.0.1');
    let bytes = 0;
    let hung = false;
    let cutAt: number | undefined;
    for (const [from, to] of [
      [client, service],
      [service, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        if (!hung) to.destroy();
      });
      from.on('end', () => {
        if (!hung) to.end();
      });
      to.on('drain', () => from.resume());
    }
    const forward = (to: Socket, from: Socket, chunk: Buffer) => {
      if (!hung && !to.write(chunk)) from.pause();
    };
    service.on('data', (chunk: Buffer) => forward(client, service, chunk));
    client.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // Only a connection with a body to speak of uses up a cut.
      if (bytes > 4096) cutAt ??= this.cutAfterBytes.shift() ?? Number.POSITIVE_INFINITY;
      forward(service, client, chunk);
      if (this.hangAfterBytes !== null && bytes >= this.hangAfterBytes) {
        this.hangAfterBytes = null;
        hung = true;
      }
      if (cutAt !== undefined && bytes >= cutAt) {
        this.cuts += 1;
        cutAt = undefined;
        client.destroy();
        // What has been sent arrives.
        service.end();
        service.destroySoon();
      }
    });
  }
}
