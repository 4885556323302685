import { createHash, randomUUID } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { StoreUnavailableError } from './errors.ts';
import type { ObjectStore, PresignedRequest, PresignPutOptions, StoreCapabilities } from './object-store.ts';

const REQUEST_TIMEOUT_MS = 10_000;
/** A server that does not answer `Expect: 100-continue` has begun by then. */
const BEGIN_TIMEOUT_MS = 1_000;
const PUT = { expiresInSeconds: 60, contentType: 'text/plain', publicOrigin: '' };
/** 409 is what AWS says to a request that met another on its way. */
const CONDITION_REFUSALS = [412, 409];
const HEADER_REFUSALS = [400, 403];

type Store = Pick<ObjectStore, 'ping' | 'head' | 'get' | 'deleteMany'>;
type Sign = (key: string, options: PresignPutOptions) => Promise<PresignedRequest>;

/**
 * Tries what presigned PUTs are held to; see `ObjectStore.probe`. `sign` signs for the endpoint that this process
 * reaches. Seen: Ceph RGW 16 holds to `If-None-Match`, takes any body whatever its signed SHA-256, and any header.
 */
export async function probeS3(store: Store, sign: Sign, bucket: string): Promise<StoreCapabilities> {
  await store.ping();
  const conditionalKey = `probes/${randomUUID()}`;
  const checksumKey = `probes/${randomUUID()}`;
  const sourceKey = `probes/${randomUUID()}`;
  const strayKey = `probes/${randomUUID()}`;
  try {
    const [conditionalPut, signedChecksum, refusesUnsigned] = await Promise.all([
      holdsCondition(store, sign, conditionalKey),
      holdsChecksum(store, sign, checksumKey),
      refusesHeaders(store, sign, { bucket, sourceKey, strayKey }),
    ]);
    return { conditionalPut, signedChecksum, refusesUnsigned };
  } finally {
    await store.deleteMany([conditionalKey, checksumKey, sourceKey, strayKey]).catch(() => {});
  }
}

/** Also of a PUT that began before there was an object and ends after: it may not replace what has been looked at. */
async function holdsCondition(store: Store, sign: Sign, key: string): Promise<boolean> {
  const signed = await sign(key, { ...PUT, sizeBytes: 5, createOnly: true });
  const early = beginPut(signed);
  try {
    await early.begun;
    if ((await send(signed, 'first')) !== 200) return false;
    const late = await send(signed, 'later');
    const statuses = [late, await early.end('early')];
    if (!statuses.every((status) => CONDITION_REFUSALS.includes(status))) return false;
    const { body } = await store.get(key);
    return (await text(body)) === 'first';
  } finally {
    early.cancel();
  }
}

async function holdsChecksum(store: Store, sign: Sign, key: string): Promise<boolean> {
  const sha256 = createHash('sha256').update('right').digest('hex');
  const signed = await sign(key, { ...PUT, sizeBytes: 5, sha256 });
  const wrong = await send(signed, 'wrong');
  return wrong === 400 && (await store.head(key)) === null && (await send(signed, 'right')) === 200;
}

/**
 * By a PUT that is taken without them. What is refused must be for the header, with the status of a refusal, and leave
 * nothing: a copy may fail for reasons of its own.
 */
async function refusesHeaders(
  store: Store,
  sign: Sign,
  { bucket, sourceKey, strayKey }: { readonly bucket: string; readonly sourceKey: string; readonly strayKey: string },
): Promise<boolean> {
  if ((await send(await sign(sourceKey, { ...PUT, sizeBytes: 5 }), 'other')) !== 200) return false;
  const signed = await sign(strayKey, { ...PUT, sizeBytes: 5 });
  const strays = [
    { 'x-amz-copy-source': `/${bucket}/${sourceKey}` },
    { 'x-amz-acl': 'private' },
    { 'x-amz-meta-probe': 'stray' },
  ];
  for (const stray of strays) {
    const status = await send({ ...signed, headers: { ...signed.headers, ...stray } }, 'right');
    if (!HEADER_REFUSALS.includes(status) || (await store.head(strayKey)) !== null) return false;
  }
  return (await send(signed, 'right')) === 200;
}

function send(signed: PresignedRequest, body: string): Promise<number> {
  return beginPut(signed).end(body);
}

interface BegunPut {
  /** Resolves when the server has seen the request's head; never rejects. */
  readonly begun: Promise<void>;
  /** Sends the body; the status of the answer. A store that fails says nothing about what it can, and throws. */
  end(body: string): Promise<number>;
  cancel(): void;
}

function beginPut({ url, headers }: PresignedRequest): BegunPut {
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const req = request(url, { method: 'PUT', headers: { ...headers, expect: '100-continue' }, agent: false, signal });
  const begun = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<number>();
  const patience = setTimeout(begun.resolve, BEGIN_TIMEOUT_MS);
  req.once('continue', begun.resolve);
  req.once('response', (res) => {
    begun.resolve();
    answered.resolve(res.resume().statusCode ?? 0);
  });
  req.on('error', (error) => {
    begun.resolve();
    answered.reject(error);
  });
  req.once('close', () => clearTimeout(patience));
  // A request that is never ended may fail unheard.
  answered.promise.catch(() => {});
  req.flushHeaders();
  return {
    begun: begun.promise,
    end: async (body) => {
      req.end(body);
      const status = await answered.promise.catch((error: unknown) => {
        throw new StoreUnavailableError('the store does not answer presigned requests', { cause: error });
      });
      const failed = status === 429 || (status >= 500 && status !== 501);
      if (failed) throw new StoreUnavailableError(`the store answered ${status}`);
      return status;
    },
    cancel: () => req.destroy(),
  };
}
