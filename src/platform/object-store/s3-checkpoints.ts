import { createHash, randomBytes } from 'node:crypto';
import { DeleteObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { TEMPORARY_FOLDER } from './object-key.ts';
import type { MultipartPart } from './object-store.ts';
import type { PartBuffer } from './part-buffer.ts';
import { putBuffered } from './s3-buffered.ts';
import { onS3 } from './s3-errors.ts';
import { bareEtag } from './s3-multipart.ts';

const NAME = /\.(?<generation>\d{8})\.(?<parts>\d{5})\.(?<digest>[0-9a-f]{32})\.[0-9a-f]{16}$/;
const DIGEST_CHARACTERS = 32;
const CONTENT_TYPE = 'application/octet-stream';

/** What a writer has said to be durable: the first so many parts, as they were, and behind them the bytes of this object. */
export interface Checkpoint {
  readonly objectKey: string;
  /** Counts the checkpoints of an upload, whoever wrote them. */
  readonly generation: number;
  readonly parts: number;
  /** Of these parts. */
  readonly digest: string;
  readonly tailBytes: number;
  readonly etag: string;
}

/** Which append. */
export interface AppendId {
  readonly key: string;
  readonly uploadId: string;
}

/** What the names of all checkpoints of `key` begin with: outside all prefixes, found by the key alone. */
export function checkpointPrefix(key: string): string {
  return `${TEMPORARY_FOLDER}/${createHash('sha256').update(key).digest('hex')}.`;
}

/** Changes when a part is replaced. */
export function digestOf(parts: readonly MultipartPart[]): string {
  const hash = createHash('sha256');
  for (const { partNumber, etag, sizeBytes } of parts) hash.update(`${partNumber} ${sizeBytes} ${etag}\n`);
  return hash.digest('hex').slice(0, DIGEST_CHARACTERS);
}

/** The checkpoints of appends: objects of which the name says all but the tail, and no two have the same. */
export class S3Checkpoints {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** The latest first: more than one of its generation when two wrote at once. */
  async list(append: AppendId): Promise<readonly Checkpoint[]> {
    const found: Checkpoint[] = [];
    for (const { objectKey, sizeBytes, etag } of await this.#objects(append.key, prefixOf(append))) {
      const { generation, parts, digest } = NAME.exec(objectKey)?.groups ?? {};
      if (digest === undefined) continue;
      const numbers = { generation: Number(generation), parts: Number(parts) };
      found.push({ objectKey, ...numbers, digest, tailBytes: sizeBytes, etag });
    }
    return found.sort((one, other) => other.generation - one.generation);
  }

  async put(append: AppendId, generation: number, parts: readonly MultipartPart[], tail: PartBuffer): Promise<string> {
    const numbers = `${String(generation).padStart(8, '0')}.${String(parts.length).padStart(5, '0')}`;
    const Key = `${prefixOf(append)}${numbers}.${digestOf(parts)}.${randomBytes(8).toString('hex')}`;
    await putBuffered(this.#client, { Bucket: this.#bucket, Key, ContentType: CONTENT_TYPE }, { buffer: tail });
    return Key;
  }

  async remove(objectKeys: readonly string[]): Promise<void> {
    for (const Key of objectKeys) {
      await onS3(Key, () => this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key })));
    }
  }

  /** Of one append. */
  async removeAll(append: AppendId): Promise<void> {
    await this.remove((await this.list(append)).map(({ objectKey }) => objectKey));
  }

  /** Of all appends to `key`. */
  async discard(key: string): Promise<void> {
    await this.remove((await this.#objects(key, checkpointPrefix(key))).map(({ objectKey }) => objectKey));
  }

  async #objects(key: string, Prefix: string) {
    const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix });
    const { Contents = [] } = await onS3(key, () => this.#client.send(command));
    return Contents.flatMap(({ Key, Size = 0, ETag }) =>
      Key === undefined ? [] : [{ objectKey: Key, sizeBytes: Size, etag: bareEtag(ETag) }],
    );
  }
}

function prefixOf({ key, uploadId }: AppendId): string {
  return `${checkpointPrefix(key)}${createHash('sha256').update(uploadId).digest('hex').slice(0, DIGEST_CHARACTERS)}.`;
}
