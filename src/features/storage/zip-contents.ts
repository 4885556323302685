import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { mapAhead } from '../../platform/map-ahead.ts';
import { ObjectNotFoundError, StoreUnavailableError } from '../../platform/object-store/errors.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { ZipEntry } from '../../platform/zip/zip-stream.ts';
import type { FileRef } from '../ledger/index.ts';
import type { ZipFile, ZipRepository } from './zip.repository.ts';
import type { ZipNames } from './zip-names.ts';

/** How often a read that lost its object to a replacement looks the file up again. */
const OPEN_TRIES = 5;
/** Files up to this size are read whole and ahead, so that many small ones do not wait for the store one by one. */
const SMALL_BYTES = 64 * 1024;
const AHEAD = 8;
const MISSING = '_missing.txt';

/** A file as it was when it was chosen, and by what to look it up again. */
export interface WantedFile {
  readonly file: ZipFile;
  readonly ref: FileRef;
}

interface Content {
  readonly file: ZipFile;
  readonly content: Readable | Buffer;
}

export interface ZipContentsDependencies {
  readonly files: ZipRepository;
  readonly store: ObjectStore;
  readonly spaceId: string;
  /** When nobody wants it any more. */
  readonly signal: AbortSignal;
}

/**
 * The entries of an archive. A file that was replaced since it was chosen comes with its new content; one that was
 * deleted is left out and named in a last entry, `_missing.txt`. One large object is open at a time.
 */
export class ZipContents {
  readonly #deps: ZipContentsDependencies;

  constructor(deps: ZipContentsDependencies) {
    this.#deps = deps;
  }

  async *entries(wanted: AsyncGenerator<WantedFile>, names: ZipNames): AsyncGenerator<ZipEntry> {
    const missing: string[] = [];
    const prepare = async (each: WantedFile) => ({ each, prepared: await this.#prepare(each) });
    for await (const { each, prepared } of mapAhead(wanted, AHEAD, prepare)) {
      const found = prepared === 'large' ? await this.#open(each) : prepared;
      if (!found) {
        missing.push(each.file.path);
        continue;
      }
      const { file, content } = found;
      try {
        yield { name: names.add(each.file.path), modifiedAt: file.modifiedAt, content };
      } finally {
        if (content instanceof Readable) content.destroy();
      }
    }
    if (missing.length === 0) return;
    const text = `Deleted while this archive was made:\n${missing.join('\n')}\n`;
    yield { name: names.add(MISSING), modifiedAt: new Date(), content: Buffer.from(text) };
  }

  /** A small file's content; null where it is gone. Of a large one nothing yet: it would wait, open, for its turn. */
  async #prepare(wanted: WantedFile): Promise<Content | 'large' | null> {
    if (wanted.file.sizeBytes > SMALL_BYTES) return 'large';
    const opened = await this.#open(wanted);
    if (!opened || Buffer.isBuffer(opened.content)) return opened;
    if (opened.file.sizeBytes <= SMALL_BYTES) return { ...opened, content: await buffer(opened.content) };
    opened.content.destroy();
    return 'large';
  }

  async #open({ file: chosen, ref }: WantedFile): Promise<Content | null> {
    const { files, store, spaceId, signal } = this.#deps;
    let file: ZipFile | undefined = chosen;
    for (let attempt = 1; file; attempt += 1) {
      // Nothing to read, and nothing to wait for.
      if (file.sizeBytes === 0) return { file, content: Buffer.alloc(0) };
      try {
        const { head, body } = await store.get(file.objectKey, { signal });
        // Between two reads nobody listens, and an error that nobody hears ends the process.
        body.on('error', () => undefined);
        if (head.sizeBytes === file.sizeBytes) return { file, content: body };
        body.destroy();
        throw new StoreUnavailableError(`the store has ${head.sizeBytes} bytes of ${file.sizeBytes}`);
      } catch (error) {
        if (!(error instanceof ObjectNotFoundError) || attempt === OPEN_TRIES) throw error;
      }
      [file] = await files.findMany(spaceId, [ref]);
    }
    return null;
  }
}
