import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../../src/platform/clock/clock.ts';
import { ByteBudget } from '../../src/platform/object-store/byte-budget.ts';
import { createDiskObjectStore, type DiskObjectStore } from '../../src/platform/object-store/disk-object-store.ts';
import {
  createS3ObjectStore,
  type S3ObjectStore,
  type S3ObjectStoreOptions,
} from '../../src/platform/object-store/s3-object-store.ts';
import { createSignedObjectHandler } from '../../src/platform/object-store/signed-object-handler.ts';
import { UrlSigner } from '../../src/platform/object-store/signed-urls.ts';
import { startS3Server } from './s3-server.ts';

const MIB = 1024 * 1024;

/** A clock that stands where a test sets it. */
export interface SettableClock extends Clock {
  /** Moves the clock by so much against the machine's. */
  shiftSeconds: number;
}

/** One store under the contract test, empty, with what the test needs to look behind it. */
export interface StoreUnderTest {
  readonly store: DiskObjectStore | S3ObjectStore;
  /** Dates presigned URLs; on S3 it is the client's and not the server's. */
  readonly clock: SettableClock;
  /** Where presigned URLs of the disk store point. */
  readonly publicOrigin: string;
  /** The memory of puts of unknown length; null where none is needed. */
  readonly budget: ByteBudget | null;
  /** Another store on the same data, as another process or the one after a kill has it. */
  reopen(): Promise<DiskObjectStore | S3ObjectStore>;
  close(): Promise<void>;
}

function createClock(): SettableClock {
  return {
    shiftSeconds: 0,
    now() {
      return new Date(Date.now() + this.shiftSeconds * 1000);
    },
  };
}

/** A disk store in a fresh folder, and a server for its URLs. */
export async function openDiskStore(): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'pockity-store-'));
  const clock = createClock();
  const urls = new UrlSigner(randomBytes(32), clock);
  const reopen = () => createDiskObjectStore({ directory, urls });
  const store = await reopen();
  const server = await listen((req, res) => void createSignedObjectHandler({ store, urls })(req, res));
  return {
    store,
    clock,
    publicOrigin: server.origin,
    budget: null,
    reopen,
    close: async () => {
      await server.close();
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** An S3 store on a fresh bucket; null where there is no server (see `startS3Server`). Copies above 6 MiB go by parts. */
export async function openS3Store(): Promise<StoreUnderTest | null> {
  const server = await startS3Server();
  if (!server) return null;
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const bucket = `test-${randomBytes(8).toString('hex')}`;
  const credentials = { accessKeyId, secretAccessKey };
  const admin = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await admin.send(new CreateBucketCommand({ Bucket: bucket }));
  admin.destroy();
  const clock = createClock();
  const budget = new ByteBudget(24 * MIB);
  const options: S3ObjectStoreOptions = {
    bucket,
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    checksums: 'when_required',
    credentials,
    clock,
    bufferBudget: budget,
    maxSingleCopyBytes: 6 * MIB,
  };
  const stores: S3ObjectStore[] = [];
  const reopen = async (): Promise<S3ObjectStore> => {
    const another = createS3ObjectStore(options);
    stores.push(another);
    return another;
  };
  const store = await reopen();
  return {
    store,
    clock,
    publicOrigin: 'http://not-used.test',
    budget,
    reopen,
    close: async () => {
      for (const one of stores) await one.close();
      await server.stop();
    },
  };
}

/** An HTTP server on a free port of 127.0.0.1. */
async function listen(handler: RequestListener): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (!address || typeof address === 'string') throw new Error('the server has no port');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** `sizeBytes` of bytes that repeat every 64 KiB plus one, as a stream of uneven chunks; `onBytes` sees the running sum. */
export function generate(sizeBytes: number, onBytes: (sentBytes: number) => void | Promise<void> = () => {}): Readable {
  const block = createHash('sha512').update('pockity').digest();
  const pattern = Buffer.alloc(64 * 1024 + 1, block);
  return Readable.from(
    (async function* () {
      for (let sentBytes = 0; sentBytes < sizeBytes; ) {
        const chunk = pattern.subarray(0, Math.min(pattern.length, sizeBytes - sentBytes));
        sentBytes += chunk.length;
        yield chunk;
        await onBytes(sentBytes);
      }
    })(),
    { objectMode: false },
  );
}

/** SHA-256 of a stream's bytes and their number. */
export async function digest(body: Readable): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** A stream's bytes as text. */
export async function text(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
