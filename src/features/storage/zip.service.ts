import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import { zipStream } from '../../platform/zip/zip-stream.ts';
import type { AuditRecorder } from '../audit/index.ts';
import { fileNameFault, normalizeFileName } from '../ingest/index.ts';
import { type FileRef, folderBusy, type SpaceScope } from '../ledger/index.ts';
import type { ZipRepository } from './zip.repository.ts';
import { type WantedFile, ZipContents } from './zip-contents.ts';
import { archiveName, folderOf, ZipNames } from './zip-names.ts';

const PAGE = 500;
/** Each costs a line of the directory at the archive's end, which is in memory until then. */
const MAX_FILES = 100_000;

export interface ZipDependencies {
  readonly files: ZipRepository;
  readonly store: ObjectStore;
  readonly recorder: AuditRecorder;
}

/** Up to 1000 files, or all whose path begins so; '' is the whole space. */
export type ZipSelection = { readonly files: readonly FileRef[] } | { readonly prefix: string };

export interface ZipOptions {
  readonly action?: 'file.zip' | 'link.download' | undefined;
  /** What the files' paths begin with and their names in the archive do not; of a prefix, its folder unless told. */
  readonly root?: string | undefined;
  /** Of the archive; its folder's unless told. */
  readonly name?: string | undefined;
}

/** Many files as one ZIP, made while it is sent. */
export class ZipService {
  readonly #deps: ZipDependencies;

  constructor(deps: ZipDependencies) {
    this.#deps = deps;
  }

  /**
   * Opens an archive of what there is, and records it. The reader must consume or destroy `body`. What becomes of a file
   * that changes before its turn: see `ZipContents`; so the length is not known before. Where the store breaks off, so
   * does the stream, and the archive has no directory.
   * Errors: FILE_NOT_FOUND (names what is not there), VALIDATION_FAILED (more than 100,000 files),
   * CONFLICT (a folder there is on its way).
   */
  async open(
    scope: SpaceScope,
    selection: ZipSelection,
    options: ZipOptions = {},
  ): Promise<{ readonly name: string; readonly body: Readable }> {
    const { store, files, recorder } = this.#deps;
    const { space, actor, origin, metadata } = scope;
    const { wanted, folder, counted } =
      'prefix' in selection
        ? await this.#below(space.id, normalizeFileName(selection.prefix))
        : await this.#named(space.id, selection.files);
    await recorder.record({
      action: options.action ?? 'file.zip',
      actor,
      origin,
      subject: { type: 'space', id: space.id },
      metadata: { ...counted, ...metadata },
    });
    const { root = folder, name = archiveName(root) } = options;
    const body = zipStream((signal) =>
      new ZipContents({ files, store, spaceId: space.id, signal }).entries(wanted, new ZipNames(root)),
    );
    // A store that does not answer at all is an answer of its own and no broken archive.
    await once(body, 'readable');
    return { name: archiveName(name), body };
  }

  async #below(spaceId: string, prefix: string) {
    const { files } = this.#deps;
    if (await files.isMoving(spaceId, prefix)) throw folderBusy();
    const first = await files.below(spaceId, prefix, { after: null, limit: PAGE });
    if (first.length === 0) throw new AppError('FILE_NOT_FOUND', { details: { prefix } });
    if (await files.morePass(spaceId, prefix, MAX_FILES)) {
      const message = `covers more than ${MAX_FILES} files: take a longer one`;
      throw new AppError('VALIDATION_FAILED', { details: [{ path: 'prefix', message }] });
    }
    async function* wanted(): AsyncGenerator<WantedFile> {
      for (let page = first; ; ) {
        for (const file of page) yield { file, ref: { path: file.path } };
        const after = page.at(-1)?.path;
        if (after === undefined || page.length < PAGE) return;
        page = await files.below(spaceId, prefix, { after, limit: PAGE });
      }
    }
    return { wanted: wanted(), folder: folderOf(prefix), counted: { prefix } };
  }

  async #named(spaceId: string, refs: readonly FileRef[]) {
    const asked = new Map(refs.map(normalizedRef).map((ref) => [keyOf(ref), ref]));
    const possible = [...asked.values()].filter((ref) => 'id' in ref || fileNameFault(ref.path) === null);
    const found = new Map<string, WantedFile['file']>();
    for (const file of await this.#deps.files.findMany(spaceId, possible)) {
      for (const ref of [{ path: file.path }, { id: file.id }]) found.set(keyOf(ref), file);
    }
    const missing = [...asked].filter(([key]) => !found.has(key)).map(([, ref]) => ref);
    if (missing.length > 0) throw new AppError('FILE_NOT_FOUND', { details: namesOf(missing) });
    async function* wanted(): AsyncGenerator<WantedFile> {
      for (const [key, ref] of asked) {
        const file = found.get(key);
        if (file) yield { file, ref };
      }
    }
    return { wanted: wanted(), folder: '', counted: { files: asked.size } };
  }
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
