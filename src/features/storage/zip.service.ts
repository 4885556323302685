import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import { zipStream } from '../../platform/zip/zip-stream.ts';
import type { AuditRecorder } from '../audit/index.ts';
import { fileNameFault, normalizeFileName, readableKey } from '../ingest/index.ts';
import { type FileRef, folderBusy, type SpaceScope } from '../ledger/index.ts';
import type { ZipFile, ZipRepository } from './zip.repository.ts';
import { ZipContents } from './zip-contents.ts';
import { ZipGuard } from './zip-guard.ts';
import { archiveName, folderOf, ZipNames } from './zip-names.ts';
import { ZipSlots } from './zip-slots.ts';

const PAGE = 500;
/** Each costs a line of the directory at the archive's end, which is in memory until then. */
const MAX_FILES = 100_000;

export interface ZipDependencies {
  readonly files: ZipRepository;
  readonly store: ObjectStore;
  readonly recorder: AuditRecorder;
  readonly clock: Clock;
}

/** Up to 1000 files, or all whose path begins so; '' is the whole space. */
export type ZipSelection = { readonly files: readonly FileRef[] } | { readonly prefix: string };

export interface ZipOptions {
  /**
   * Throws once the reader may not have the archive any more, which then breaks off. Asked before each page of names,
   * once more when it has been read, and before each object, there at most once a second.
   */
  readonly guard: () => Promise<void>;
  /** Whose archive it is, a key's, a user's or a link's: each has four under way at once in a process. */
  readonly holder: string;
  readonly action?: 'file.zip' | 'link.download' | undefined;
  /** What the files' paths begin with and their names in the archive do not; of a prefix, its folder unless told. */
  readonly root?: string | undefined;
  /** Of the archive; its folder's unless told. */
  readonly name?: string | undefined;
}

export interface OpenedZip {
  readonly name: string;
  readonly body: Readable;
}

/** Many files as one ZIP, made while it is sent. */
export class ZipService {
  readonly #deps: ZipDependencies;
  readonly #slots = new ZipSlots();

  constructor(deps: ZipDependencies) {
    this.#deps = deps;
  }

  /**
   * Opens an archive of what there is, and records it. The reader must consume or destroy `body`. What becomes of a file
   * that changes before its turn: see `ZipContents`; so the length is not known before. Where the store breaks off, or
   * the guard throws, so does the stream, and the archive has no directory.
   * Errors: FILE_NOT_FOUND (names what is not there), FILE_PROCESSING, VIRUS_FOUND (of those named), VALIDATION_FAILED (more than 100,000 files), RATE_LIMITED (the
   * holder has four under way), CONFLICT (a folder there is on its way), those of the guard.
   */
  async open(scope: SpaceScope, selection: ZipSelection, options: ZipOptions): Promise<OpenedZip> {
    const free = this.#slots.take(options.holder);
    try {
      return await this.#open(scope, selection, { ...options, onClose: free });
    } catch (error) {
      free();
      throw error;
    }
  }

  async #open(
    scope: SpaceScope,
    selection: ZipSelection,
    options: ZipOptions & { readonly onClose: () => void },
  ): Promise<OpenedZip> {
    const { store, files, recorder, clock } = this.#deps;
    const guard = new ZipGuard(options.guard, clock);
    const { space, actor, origin, metadata } = scope;
    const { wanted, folder, counted } =
      'prefix' in selection
        ? await this.#below(space.id, normalizeFileName(selection.prefix), guard)
        : await this.#named(space.id, selection.files);
    await recorder.record({
      action: options.action ?? 'file.zip',
      actor,
      origin,
      subject: { type: 'space', id: space.id },
      metadata: { ...counted, ...metadata },
    });
    const { root = folder } = options;
    const body = zipStream((signal) =>
      new ZipContents({ files, store, spaceId: space.id, names: new ZipNames(root), guard, signal }).entries(wanted),
    );
    body.once('close', options.onClose);
    // A store that does not answer at all is an answer of its own and no broken archive.
    await once(body, 'readable');
    return { name: nameOf(folder, options), body };
  }

  /** Whether there is any file below a folder. */
  hasFiles(spaceId: string, folder: string): Promise<boolean> {
    return this.#deps.files.morePass(spaceId, `${folder}/`, 0);
  }

  /** What `open` would call the archive of a prefix. Errors: those of `open`. */
  async look(spaceId: string, prefix: string, options: ZipOptions): Promise<string> {
    const { folder } = await this.#below(
      spaceId,
      normalizeFileName(prefix),
      new ZipGuard(options.guard, this.#deps.clock),
    );
    return nameOf(folder, options);
  }

  async #below(spaceId: string, prefix: string, guard: ZipGuard) {
    const { files } = this.#deps;
    const pageAfter = async (after: string | null) => {
      await guard.pass();
      if (await files.isMoving(spaceId, prefix)) throw folderBusy();
      const page = await files.below(spaceId, prefix, { after, limit: PAGE });
      // Before that another folder may have taken the name: only what was allowed afterwards too is what was meant.
      await guard.ask();
      return page;
    };
    const first = await pageAfter(null);
    if (first.length === 0) throw new AppError('FILE_NOT_FOUND', { details: { prefix } });
    if (await files.morePass(spaceId, prefix, MAX_FILES)) {
      const message = `covers more than ${MAX_FILES} files: take a longer one`;
      throw new AppError('VALIDATION_FAILED', { details: [{ path: 'prefix', message }] });
    }
    async function* wanted(): AsyncGenerator<ZipFile> {
      for (let page = first; ; ) {
        yield* page;
        const after = page.at(-1)?.path;
        if (after === undefined || page.length < PAGE) return;
        page = await pageAfter(after);
      }
    }
    return { wanted: wanted(), folder: folderOf(prefix), counted: { prefix } };
  }

  async #named(spaceId: string, refs: readonly FileRef[]) {
    const asked = new Map(refs.map(normalizedRef).map((ref) => [keyOf(ref), ref]));
    const possible = [...asked.values()].filter((ref) => 'id' in ref || fileNameFault(ref.path) === null);
    const found = new Map<string, ZipFile>();
    for (const file of await this.#deps.files.findMany(spaceId, possible)) {
      for (const ref of [{ path: file.path }, { id: file.id }]) found.set(keyOf(ref), file);
    }
    const missing = [...asked].filter(([key]) => !found.has(key)).map(([, ref]) => ref);
    if (missing.length > 0) throw new AppError('FILE_NOT_FOUND', { details: namesOf(missing) });
    // What was asked for by its name is given or refused; below a prefix, it is left out and said so.
    for (const [key, ref] of asked) {
      const file = found.get(key);
      if (file) readableKey(file, namesOf([ref]));
    }
    async function* wanted(): AsyncGenerator<ZipFile> {
      for (const key of asked.keys()) {
        const file = found.get(key);
        if (file) yield file;
      }
    }
    return { wanted: wanted(), folder: '', counted: { files: asked.size } };
  }
}

function nameOf(folder: string, { root = folder, name = root }: ZipOptions): string {
  return archiveName(name);
}

function normalizedRef(ref: FileRef): FileRef {
  return 'path' in ref ? { path: normalizeFileName(ref.path) } : { id: ref.id.toLowerCase() };
}

function keyOf(ref: FileRef): string {
  return 'path' in ref ? `path ${ref.path}` : `id ${ref.id}`;
}

function namesOf(refs: readonly FileRef[]) {
  const fileNames = refs.flatMap((ref) => ('path' in ref ? [ref.path] : []));
  const ids = refs.flatMap((ref) => ('id' in ref ? [ref.id] : []));
  return { ...(fileNames.length > 0 && { fileNames }), ...(ids.length > 0 && { ids }) };
}
