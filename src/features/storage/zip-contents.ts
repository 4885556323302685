import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { mapAhead } from '../../platform/map-ahead.ts';
import { ObjectNotFoundError, StoreUnavailableError } from '../../platform/object-store/errors.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { ZipEntry } from '../../platform/zip/zip-stream.ts';
import { readableKey } from '../ingest/index.ts';
import type { ZipFile, ZipRepository } from './zip.repository.ts';
import type { ZipGuard } from './zip-guard.ts';
import type { ZipNames } from './zip-names.ts';

/** How often a read that lost its object to a replacement looks the file up again. */
const OPEN_TRIES = 5;
/** Files up to this size are read whole and ahead, so that many small ones do not wait for the store one by one. */
const SMALL_BYTES = 64 * 1024;
const AHEAD = 8;
const MISSING = '_missing.txt';

interface Content {
  readonly file: ZipFile;
  readonly content: Readable | Buffer;
}

export interface ZipContentsDependencies {
  readonly files: ZipRepository;
  readonly store: ObjectStore;
  readonly spaceId: string;
  readonly names: ZipNames;
  readonly guard: ZipGuard;
  /** When nobody wants it any more. */
  readonly signal: AbortSignal;
}

/**
 * The entries of an archive. A file that was replaced since it was chosen comes with its new content; one that was
 * deleted, or replaced and moved out of the archive's root, or that may not be read, is left out and named in a last
 * entry, `_missing.txt`. One large object is open at a time. The guard is asked before an object is opened and before an entry begins.
 */
export class ZipContents {
  readonly #deps: ZipContentsDependencies;

  constructor(deps: ZipContentsDependencies) {
    this.#deps = deps;
  }

  async *entries(wanted: AsyncGenerator<ZipFile>): AsyncGenerator<ZipEntry> {
    const { names, guard } = this.#deps;
    const missing: string[] = [];
    const unreadable: string[] = [];
    const prepare = async (each: ZipFile) => ({ each, prepared: await this.#prepare(each) });
    for await (const { each, prepared } of mapAhead(wanted, AHEAD, prepare)) {
      const found = prepared === 'large' ? await this.#open(each) : prepared;
      if (!found || found === 'unreadable') {
        // Not where the root lies: whoever reads this may have been let in only there.
        (found ? unreadable : missing).push(names.below(each.path));
        continue;
      }
      const { file, content } = found;
      try {
        // What was read ahead may have waited long for its turn.
        await guard.pass();
        yield { name: names.add(each.path), modifiedAt: file.modifiedAt, content };
      } finally {
        if (content instanceof Readable) content.destroy();
      }
    }
    await guard.pass();
    const lists = [
      ['Deleted while this archive was made:', missing],
      ['In quarantine, or still being checked for viruses:', unreadable],
    ] as const;
    const text = lists.flatMap(([title, paths]) => (paths.length > 0 ? [title, ...paths, ''] : [])).join('\n');
    if (text !== '') yield { name: names.add(MISSING), modifiedAt: new Date(), content: Buffer.from(text) };
  }

  /** A small file's content; null where it is gone. Of a large one nothing yet: it would wait, open, for its turn. */
  async #prepare(wanted: ZipFile): Promise<Content | 'large' | 'unreadable' | null> {
    if (wanted.sizeBytes > SMALL_BYTES) return 'large';
    const opened = await this.#open(wanted);
    if (!opened || opened === 'unreadable' || Buffer.isBuffer(opened.content)) return opened;
    if (opened.file.sizeBytes <= SMALL_BYTES) return { ...opened, content: await buffer(opened.content) };
    opened.content.destroy();
    return 'large';
  }

  async #open(chosen: ZipFile): Promise<Content | 'unreadable' | null> {
    const { files, store, spaceId, names, guard, signal } = this.#deps;
    let file: ZipFile | undefined = chosen;
    for (let attempt = 1; file; attempt += 1) {
      await guard.pass();
      if (file.status !== 'READY') return 'unreadable';
      // Nothing to read, and nothing to wait for.
      if (file.sizeBytes === 0) return { file, content: Buffer.alloc(0) };
      try {
        const { head, body } = await store.get(readableKey(file), { signal });
        // Between two reads nobody listens, and an error that nobody hears ends the process.
        body.on('error', () => undefined);
        if (head.sizeBytes === file.sizeBytes) return { file, content: body };
        body.destroy();
        throw new StoreUnavailableError(`the store has ${head.sizeBytes} bytes of ${file.sizeBytes}`);
      } catch (error) {
        if (!(error instanceof ObjectNotFoundError) || attempt === OPEN_TRIES) throw error;
      }
      // By its id: whatever else has its name by now was not chosen.
      [file] = await files.findMany(spaceId, [{ id: chosen.id }]);
      if (file && file.path !== chosen.path && !names.covers(file.path)) return null;
    }
    return null;
  }
}
