import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Clock } from '../clock/clock.ts';
import { ByteBudget } from './byte-budget.ts';
import { ObjectNotFoundError, StoreUnavailableError } from './errors.ts';
import { assertKeyPrefix, assertObjectKey, TEMPORARY_FOLDER } from './object-key.ts';
import type {
  ByteRange,
  DeleteOutcome,
  GetOptions,
  ObjectHead,
  ObjectListEntry,
  ObjectStore,
  OpenedObject,
} from './object-store.ts';
import { S3Appends } from './s3-append.ts';
import { guardBody } from './s3-body-guard.ts';
import { createS3Clients, type S3Clients, type S3ConnectionOptions } from './s3-client.ts';
import { discardOnS3 } from './s3-discard.ts';
import { onS3 } from './s3-errors.ts';
import { bareEtag, S3Multiparts } from './s3-multipart.ts';
import { S3Presigner } from './s3-presign.ts';
import { probeS3 } from './s3-probe.ts';
import { S3Puts } from './s3-put.ts';

const DEFAULT_BUFFER_BYTES = 64 * 1024 * 1024;
const MAX_DELETE_KEYS = 1000;
const SHA256_BASE64 = /^[A-Za-z0-9+/]{43}=$/;
const PING_TIMEOUT_MS = 3_000;

/** What the S3 store needs. */
export interface S3ObjectStoreOptions extends S3ConnectionOptions {
  readonly bucket: string;
  /** Dates the presigned URLs. */
  readonly clock: Clock;
  /** The memory that all puts of unknown length share; 64 MiB unless given. One for the process. */
  readonly bufferBudget?: ByteBudget | undefined;
  /** Folder for parts that memory has no room for, on a real disk; the system's temporary folder unless given. */
  readonly spoolDirectory?: string | undefined;
  /** Copies above this go by parts; S3's own limit of 5 GiB unless told. */
  readonly maxSingleCopyBytes?: number | undefined;
}

/** The S3 store, with what only its tests ask for. */
export interface S3ObjectStore extends ObjectStore {
  readonly kind: 's3';
  /** Open multipart uploads and tails of appends in the bucket: 0 when nothing is under way or left behind. */
  countTemporary(): Promise<number>;
}

/** Objects in one bucket of AWS S3 or any server that speaks its protocol. The bucket must exist. */
export function createS3ObjectStore(options: S3ObjectStoreOptions): S3ObjectStore {
  const clients = createS3Clients(options);
  const { bucket } = options;
  const { main } = clients;
  const multiparts = new S3Multiparts(main, bucket, options.maxSingleCopyBytes);
  const budget = options.bufferBudget ?? new ByteBudget(DEFAULT_BUFFER_BYTES);
  const buffers = { budget, spoolDirectory: options.spoolDirectory ?? tmpdir() };
  const puts = new S3Puts(main, bucket, { multiparts, buffers });
  const open = (key: string, range: ByteRange): Promise<OpenedObject> => openObject(clients, bucket, key, { range });
  const appends = new S3Appends(main, bucket, { multiparts, buffers, open });
  const presigner = new S3Presigner(clients.signer, bucket, options.clock);
  const checked = (key: string): string => {
    assertObjectKey(key);
    return key;
  };

  const store: S3ObjectStore = {
    kind: 's3',
    put: async (key, body, putOptions) => puts.put(checked(key), body, putOptions),
    get: async (key, getOptions) => openObject(clients, bucket, checked(key), getOptions),
    head: async (key) => headObject(main, bucket, checked(key)),
    deleteMany: async (keys) => deleteMany(main, bucket, keys.map(checked)),
    list: (prefix) => listObjects(main, bucket, prefix),
    copy: async (fromKey, toKey) => multiparts.copy(checked(fromKey), checked(toKey)),
    createMultipart: async (key, { contentType }) => multiparts.create(checked(key), contentType),
    uploadPart: async (key, uploadId, part) => multiparts.uploadPart(checked(key), uploadId, part),
    listParts: async (key, uploadId) => multiparts.listParts(checked(key), uploadId),
    completeMultipart: async (key, uploadId, parts) => multiparts.complete(checked(key), uploadId, parts),
    abortMultipart: async (key, uploadId) => multiparts.abort(checked(key), uploadId),

    createAppend: async (key, { contentType }) => multiparts.create(checked(key), contentType),
    appendedBytes: async (key, uploadId) => appends.appendedBytes(checked(key), uploadId),
    append: async (key, uploadId, part) => appends.append(checked(key), uploadId, part),
    abortAppend: async (key, uploadId) => appends.abort(checked(key), uploadId),
    completeAppend: async (key, uploadId, sizeBytes) => appends.complete(checked(key), uploadId, sizeBytes),

    discardTemporary: async (keys) => discardOnS3({ multiparts, appends }, keys.map(checked)),

    presignGet: async (key, presignOptions) => presigner.get(checked(key), presignOptions),
    presignPut: async (key, presignOptions) => presigner.put(checked(key), presignOptions),
    presignPart: async (key, presignOptions) => presigner.part(checked(key), presignOptions),

    async probe() {
      const own = new S3Presigner(clients.ownSigner, bucket, options.clock);
      return probeS3(store, (key, put) => own.put(key, put), bucket);
    },

    async ping() {
      try {
        await main.send(new HeadBucketCommand({ Bucket: bucket }), {
          abortSignal: AbortSignal.timeout(PING_TIMEOUT_MS),
        });
      } catch (error) {
        throw new StoreUnavailableError('the bucket does not answer', { cause: error });
      }
    },

    async countTemporary() {
      let tails = 0;
      for await (const _ of listBucket(main, bucket, `${TEMPORARY_FOLDER}/`)) tails += 1;
      return tails + (await multiparts.listOpen()).length;
    },
    close: async () => clients.close(),
  };
  return store;
}

async function openObject(
  { reader, idleTimeoutMs }: S3Clients,
  bucket: string,
  key: string,
  { range, signal }: GetOptions = {},
): Promise<OpenedObject> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const patience = setTimeout(() => controller.abort(), idleTimeoutMs);
  try {
    const Range = range && `bytes=${range.start}-${range.end}`;
    const command = new GetObjectCommand({ Bucket: bucket, Key: key, ...(Range === undefined ? {} : { Range }) });
    const output = await onS3(key, () => reader.send(command, { abortSignal: controller.signal }));
    const bodyBytes = output.ContentLength;
    if (bodyBytes === undefined) throw new StoreUnavailableError('the store announced no length');
    // The length of the whole object stands behind the slash of "bytes 0-0/17" where a range was asked for.
    const sizeBytes = output.ContentRange === undefined ? bodyBytes : Number(output.ContentRange.split('/').at(-1));
    const head = { key, sizeBytes, etag: bareEtag(output.ETag), lastModified: output.LastModified ?? new Date(0) };
    if (!(output.Body instanceof Readable)) throw new TypeError('the SDK gave a body that is no stream');
    const body = guardBody(output.Body, bodyBytes, idleTimeoutMs);
    if (signal) {
      const stop = (): void => {
        body.destroy(signal.reason);
      };
      signal.addEventListener('abort', stop, { once: true });
      body.once('close', () => signal.removeEventListener('abort', stop));
    }
    return { head, body };
  } catch (error) {
    signal?.throwIfAborted();
    if (controller.signal.aborted) throw new StoreUnavailableError('the store does not answer', { cause: error });
    throw error;
  } finally {
    clearTimeout(patience);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function headObject(client: S3Client, bucket: string, key: string): Promise<ObjectHead | null> {
  try {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' });
    const output = await onS3(key, () => client.send(command));
    const { ContentLength: sizeBytes = 0, LastModified: lastModified = new Date(0) } = output;
    return { key, sizeBytes, etag: bareEtag(output.ETag), lastModified, sha256: toSha256(output.ChecksumSHA256) };
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return null;
    throw error;
  }
}

/** Hex; null for a composite, which is the hash of its parts' hashes with their number behind a dash. */
function toSha256(checksum: string | undefined): string | null {
  return checksum && SHA256_BASE64.test(checksum) ? Buffer.from(checksum, 'base64').toString('hex') : null;
}

async function deleteMany(
  client: S3Client,
  bucket: string,
  keys: readonly string[],
): Promise<readonly DeleteOutcome[]> {
  if (keys.length > MAX_DELETE_KEYS) throw new TypeError(`at most ${MAX_DELETE_KEYS} keys in one call`);
  if (keys.length === 0) return [];
  const Objects = [...new Set(keys)].map((Key) => ({ Key }));
  const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
  const { Errors = [] } = await onS3('', () => client.send(command));
  const reasons = new Map(
    Errors.filter(({ Code }) => Code !== 'NoSuchKey').map(({ Key, Code, Message }) => [
      Key,
      Message || Code || 'refused',
    ]),
  );
  return keys.map((key) => {
    const reason = reasons.get(key);
    return reason === undefined ? { key, deleted: true } : { key, deleted: false, reason };
  });
}

async function* listObjects(
  client: S3Client,
  bucket: string,
  prefix: string,
): AsyncGenerator<ObjectListEntry, void, undefined> {
  if (prefix !== '') assertKeyPrefix(prefix);
  for await (const entry of listBucket(client, bucket, prefix)) {
    if (!entry.key.startsWith(`${TEMPORARY_FOLDER}/`)) yield entry;
  }
}

async function* listBucket(
  client: S3Client,
  bucket: string,
  prefix: string,
): AsyncGenerator<ObjectListEntry, void, undefined> {
  let token: string | undefined;
  do {
    const input = { Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) };
    const page = await onS3('', () => client.send(new ListObjectsV2Command(input)));
    for (const { Key, Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
      if (Key !== undefined) yield { key: Key, sizeBytes: Size, lastModified: LastModified };
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}
