import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Answer, type ApiClient } from './client-api.ts';

/** One part of a form; `name` and `fileName` go onto the wire as they are. */
export interface FormPart {
  readonly name: string;
  readonly fileName?: string;
  readonly type?: string;
  readonly content: string | Uint8Array;
}

/** The delimiter of every form made here. */
export const BOUNDARY = 'pockity-acceptance-boundary';

/** Content-Type of the forms made here. */
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

/** What stands before the content of a part, from the delimiter on. */
export function partHead({ name, fileName, type }: Omit<FormPart, 'content'>): Buffer {
  const disposition = `form-data; name="${name}"${fileName === undefined ? '' : `; filename="${fileName}"`}`;
  const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`;
  return Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: ${disposition}\r\n${typeLine}\r\n`);
}

/** What ends a form after the last part's content. */
export const FORM_END = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);

/** A whole form, byte by byte as given: also such as no well-behaved client would send. */
export function formOf(parts: readonly FormPart[]): Buffer {
  const pieces = parts.flatMap((part, i) => [
    Buffer.from(i === 0 ? '' : '\r\n'),
    partHead(part),
    Buffer.from(part.content),
  ]);
  return Buffer.concat([...pieces, FORM_END]);
}

/** How a streamed upload is sent. */
export interface StreamedUploadOptions {
  readonly fileName: string;
  /** Length of the file; announced as Content-Length of the form unless `chunked`. */
  readonly sizeBytes: number;
  readonly chunked?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An upload whose bytes a test sends itself, by node:http. */
export class StreamedUpload {
  readonly request: ClientRequest;
  /** The answer, also when it comes before all has been sent. */
  readonly answer: Promise<Answer<unknown>>;
  #head: Buffer | null;
  #sentBytes = 0;
  #answered = false;

  constructor(client: ApiClient, options: StreamedUploadOptions) {
    const url = new URL(`${client.baseUrl}/api/storage/upload`);
    url.searchParams.set('fileName', options.fileName);
    const head = partHead({ name: 'file', fileName: 'part.bin', type: 'application/octet-stream' });
    const length = head.length + options.sizeBytes + FORM_END.length;
    this.request = request(url, {
      method: 'POST',
      agent: false,
      headers: {
        ...client.credentials,
        'content-type': FORM_TYPE,
        ...(options.chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': length }),
        ...options.headers,
      },
    });
    this.#head = head;
    this.answer = readAnswer(this.request);
    // Whoever hangs up does not ask for the answer.
    this.answer.catch(() => {});
    this.request.once('response', () => {
      this.#answered = true;
    });
  }

  /** Bytes of the file that were handed over so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** An answer has begun to come in. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Sends more of the file and waits while the connection takes no more; false when it is closed. */
  async send(bytes: Uint8Array): Promise<boolean> {
    if (this.request.destroyed) return false;
    if (this.#head) this.request.write(this.#head);
    this.#head = null;
    this.#sentBytes += bytes.length;
    if (!this.request.write(bytes)) await drained(this.request);
    return !this.request.destroyed;
  }

  /** Ends the form and gives the answer. */
  async finish(): Promise<Answer<unknown>> {
    this.request.end(FORM_END);
    return this.answer;
  }

  /** Hangs up in the middle. */
  hangUp(): void {
    this.request.destroy();
  }
}

/** Resolves when more can be written, or never will. */
async function drained(stream: ClientRequest | Socket): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  // `once` rejects at an error, which is also the end of it.
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).catch(() => {});
  done.abort();
}

/** Writes to a bare connection and waits until it takes more; false when it is closed. */
export async function write(socket: Socket, bytes: string | Uint8Array): Promise<boolean> {
  if (!socket.write(bytes) && !socket.destroyed) await drained(socket);
  return !socket.destroyed;
}

/** Sends `sizeBytes` by repeating `block`, until an answer comes or the connection ends; then finishes. */
export async function pump(upload: StreamedUpload, sizeBytes: number, block: Uint8Array): Promise<Answer<unknown>> {
  while (upload.sentBytes < sizeBytes && !upload.answered) {
    const more = block.subarray(0, Math.min(block.length, sizeBytes - upload.sentBytes));
    if (!(await upload.send(more))) return upload.answer;
  }
  return upload.answered ? upload.answer : upload.finish();
}

/** The answer to a request of node:http, read whole. */
export async function readAnswer(sent: ClientRequest): Promise<Answer<unknown>> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // Writing goes on failing after an answer has come; that is no news then.
    sent.on('error', reject).once('response', resolve);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const headers = new Headers();
  for (const [name, value] of Object.entries(response.headers)) headers.set(name, String(value));
  return new Answer(response.statusCode ?? 0, headers, Buffer.concat(chunks).toString());
}

/** A bare connection to a service, for what no HTTP client would send. */
export async function openSocket(baseUrl: string): Promise<Socket> {
  const { hostname, port } = new URL(baseUrl);
  // Half open: after this side has ended, the answer may still come.
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes until the other side closes, as text; hangs up after `withinMs`. */
export async function readAll(socket: Socket, withinMs = 15_000): Promise<string> {
  const timer = setTimeout(() => socket.destroy(), withinMs);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(chunk);
  } catch {
    // A reset ends it too; what came before counts.
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  return Buffer.concat(chunks).toString();
}

/** A raw answer of one response as an `Answer`; null when it is none. */
export function parseAnswer(text: string): Answer<unknown> | null {
  const at = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, Math.max(0, at)).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  if (!status) return null;
  const headers = new Headers();
  for (const line of lines) headers.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim());
  return new Answer(status, headers, text.slice(at + 4));
}

/** The head of a raw upload request, up to and with the blank line. */
export function uploadHead(
  client: ApiClient,
  fileName: string,
  headers: Readonly<Record<string, string | number>>,
): string {
  const all = { host: new URL(client.baseUrl).host, ...client.credentials, 'content-type': FORM_TYPE, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /api/storage/upload?fileName=${encodeURIComponent(fileName)} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
