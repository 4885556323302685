import { once } from 'node:events';
import { request } from 'node:http';
import autocannon, { type Options, type Result } from 'autocannon';

export interface LoadOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
}

const BOUNDARY = 'pockity-bench-boundary';
const OPENING = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="file.bin"\r\nContent-Type: application/octet-stream\r\n\r\n`;
const CLOSING = `\r\n--${BOUNDARY}--\r\n`;
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const CHUNK = Buffer.alloc(64 * 1024, 7);

let serial = 0;

/** GET over and over; answers requests a second, all of them successful or it throws. */
export function loadReads(url: string, { headers, connections, seconds }: LoadOptions): Promise<number> {
  return run({ url, connections, duration: seconds, headers: { ...headers } });
}

/** POST of a form with 1 KiB under ever new names; answers requests a second, all of them successful or it throws. */
export function loadUploads(url: string, { headers, connections, seconds }: LoadOptions): Promise<number> {
  const body = Buffer.concat([Buffer.from(OPENING), Buffer.alloc(1024, 7), Buffer.from(CLOSING)]);
  const { pathname } = new URL(url);
  const each = { method: 'POST' as const, path: pathname, headers: { ...headers, 'content-type': FORM_TYPE }, body };
  const setupRequest = (sent: object) => {
    serial += 1;
    return { ...sent, path: `${pathname}?fileName=bench-${serial}.bin` };
  };
  return run({ url, connections, duration: seconds, requests: [{ ...each, setupRequest }] });
}

async function run(options: Options): Promise<number> {
  const result: Result = await autocannon(options);
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${options.url}: ${result.non2xx} refused, ${result.errors} failed of ${result.requests.total}`);
  }
  return result.requests.average;
}

/** Uploads a form of that many bytes over one connection; answers the seconds until the answer was there. */
export async function streamUp(url: string, headers: Readonly<Record<string, string>>, bytes: number): Promise<number> {
  const startedAt = performance.now();
  const length = OPENING.length + bytes + CLOSING.length;
  const req = request(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': FORM_TYPE, 'content-length': length },
  });
  const answered = once(req, 'response');
  req.write(OPENING);
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    if (!req.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK)) await once(req, 'drain');
  }
  req.end(CLOSING);
  const [res] = await answered;
  for await (const _ of res);
  if (res.statusCode !== 201) throw new Error(`${url}: ${res.statusCode}`);
  return (performance.now() - startedAt) / 1000;
}

/** Reads at least that many bytes and throws them away; answers the seconds it took. */
export async function streamDown(
  url: string,
  headers: Readonly<Record<string, string>>,
  bytes: number,
): Promise<number> {
  const startedAt = performance.now();
  const req = request(url, { headers: { ...headers } }).end();
  const [res] = await once(req, 'response');
  let read = 0;
  res.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  await once(res, 'end');
  if (res.statusCode !== 200 || read < bytes) throw new Error(`${url}: ${res.statusCode}, ${read} bytes`);
  return (performance.now() - startedAt) / 1000;
}
