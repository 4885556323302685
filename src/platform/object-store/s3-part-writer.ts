import type { MultipartPart } from './object-store.ts';
import { PartBuffer, type PartBufferOptions } from './part-buffer.ts';
import { partSizeBytes } from './part-sizes.ts';
import { sendBufferedPart } from './s3-buffered.ts';
import type { S3Multiparts } from './s3-multipart.ts';

/** Continues one multipart upload: gathers bytes and sends each part that is full, when more is known to come. */
export class S3PartWriter {
  readonly key: string;
  readonly uploadId: string;
  readonly sent: MultipartPart[] = [];
  /** Bytes in the parts, those before this writer's included. */
  partedBytes: number;
  /** What is not in a part yet. */
  buffer: PartBuffer;
  readonly #partsBefore: number;
  readonly #multiparts: S3Multiparts;
  readonly #buffers: PartBufferOptions;

  constructor(
    upload: { readonly key: string; readonly uploadId: string },
    before: { readonly parts: readonly MultipartPart[]; readonly partedBytes: number },
    { multiparts, buffers }: { readonly multiparts: S3Multiparts; readonly buffers: PartBufferOptions },
  ) {
    this.key = upload.key;
    this.uploadId = upload.uploadId;
    this.partedBytes = before.partedBytes;
    this.#partsBefore = before.parts.length;
    this.#multiparts = multiparts;
    this.#buffers = buffers;
    this.buffer = this.#newBuffer();
  }

  get nextPartNumber(): number {
    return this.#partsBefore + this.sent.length + 1;
  }

  get restBytes(): number {
    return this.buffer.sizeBytes;
  }

  async add(chunk: Buffer): Promise<void> {
    for (let rest = await this.buffer.append(chunk); rest.byteLength > 0; rest = await this.buffer.append(rest)) {
      await this.sendRest();
    }
  }

  /** Sends what has been gathered as the next part, whatever its size. */
  async sendRest(): Promise<void> {
    const { key, uploadId, buffer, nextPartNumber: partNumber } = this;
    this.sent.push(await sendBufferedPart(this.#multiparts, { key, uploadId, partNumber }, { buffer }));
    this.partedBytes += buffer.sizeBytes;
    this.buffer = this.#newBuffer();
    await buffer.dispose();
  }

  /** Gives memory and file back; idempotent. */
  async dispose(): Promise<void> {
    await this.buffer.dispose();
  }

  /** For a checkpoint that has no tail. */
  emptyBuffer(): PartBuffer {
    return new PartBuffer(0, this.#buffers);
  }

  #newBuffer(): PartBuffer {
    return new PartBuffer(partSizeBytes(this.nextPartNumber), this.#buffers);
  }
}
