import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { OFFSET_STREAM, TUS } from './tus-actor.ts';

interface SenderAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly code: string | undefined;
}

/** A request whose bytes a test sends itself. */
export class TusSender {
  readonly request: ClientRequest;
  /** Rejects when the connection ends without one. */
  readonly answer: Promise<SenderAnswer>;

  constructor(method: 'PATCH' | 'POST', url: string, headers: Readonly<Record<string, string>>) {
    this.request = request(url, { method, agent: false, headers: { ...TUS, ...OFFSET_STREAM, ...headers } });
    this.answer = this.#read();
    this.answer.catch(() => undefined);
    this.request.on('error', () => undefined);
  }

  async write(bytes: Buffer): Promise<void> {
    if (!this.request.write(bytes)) await once(this.request, 'drain');
  }

  end(bytes?: Buffer): Promise<SenderAnswer> {
    this.request.end(bytes);
    return this.answer;
  }

  cut(): void {
    this.request.destroy();
  }

  async #read(): Promise<SenderAnswer> {
    const [response] = (await once(this.request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    const code = text === '' ? undefined : JSON.parse(text).error?.code;
    return { status: response.statusCode ?? 0, headers: response.headers, code };
  }
}
