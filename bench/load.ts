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

type Headers = Readonly<Record<string, string>>;

/** Uploads a form of that many bytes over one connection; answers the seconds until the answer was there. */
export async function streamUp(url: string, headers: Headers, bytes: number): Promise<number> {
  const startedAt = performance.now();
  const length = String(OPENING.length + bytes + CLOSING.length);
  const form = { ...headers, 'content-type': FORM_TYPE, 'content-length': length };
  await sendZeros({ method: 'POST', url, headers: form, opening: OPENING, closing: CLOSING }, bytes);
  return (performance.now() - startedAt) / 1000;
}

/** The same by a presigned PUT, asking for the URL and completing included. */
export async function streamUpPresigned(api: string, headers: Headers, bytes: number): Promise<number> {
  const startedAt = performance.now();
  const wanted = { fileName: 'bench-presigned.bin', size: bytes, contentType: 'application/octet-stream' };
  const { uploadId, method, url, headers: signed } = await postJson(`${api}/uploads/presign`, headers, wanted);
  await sendZeros({ method, url, headers: signed }, bytes);
  await postJson(`${api}/uploads/complete`, headers, { uploadId });
  return (performance.now() - startedAt) / 1000;
}

/** The same by tus: one creation, one PATCH. */
export async function streamUpTus(api: string, headers: Headers, bytes: number): Promise<number> {
  const startedAt = performance.now();
  const tus = { ...headers, 'tus-resumable': '1.0.0' };
  const created = await fetch(`${api}/uploads/tus`, {
    method: 'POST',
    headers: { ...tus, 'upload-length': String(bytes), 'upload-metadata': `filename ${btoa('bench-tus.bin')}` },
  });
  const location = created.headers.get('location');
  if (created.status !== 201 || location === null) throw new Error(`tus: ${created.status}`);
  const patch = {
    'upload-offset': '0',
    'content-type': 'application/offset+octet-stream',
    'content-length': String(bytes),
  };
  await sendZeros({ method: 'PATCH', url: new URL(location, api).href, headers: { ...tus, ...patch } }, bytes);
  return (performance.now() - startedAt) / 1000;
}

interface Sending {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly opening?: string;
  readonly closing?: string;
}

async function sendZeros({ method, url, headers, opening, closing }: Sending, bytes: number): Promise<void> {
  const req = request(url, { method, headers });
  const answered = once(req, 'response');
  if (opening) req.write(opening);
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    if (!req.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK)) await once(req, 'drain');
  }
  req.end(closing);
  const [res] = await answered;
  for await (const _ of res);
  if (![200, 201, 204].includes(res.statusCode)) throw new Error(`${method} ${url}: ${res.statusCode}`);
}

interface Presigned {
  readonly uploadId: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

async function postJson(url: string, headers: Headers, body: unknown): Promise<Presigned> {
  const res = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!res.ok) throw new Error(`${url}: ${res.status}`);
  const { data } = (await res.json()) as { data: Presigned };
  return data;
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
