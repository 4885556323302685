import { ObjectNotFoundError } from '../../platform/object-store/errors.ts';
import type {
  ByteRange,
  ObjectStore,
  OpenedObject,
  PresignedRequest,
} from '../../platform/object-store/object-store.ts';
import type { AuditRecorder } from '../audit/index.ts';
import { readableKey } from '../ingest/index.ts';
import type { FileRef, SpaceScope } from '../ledger/index.ts';
import { contentDisposition, type Disposition, servedType } from './content-disposition.ts';
import { fileNotFound } from './storage-faults.ts';
import type { StoredFile } from './stored-file.ts';

/** How often a read that lost its object to a replacement looks the name up again. */
const OPEN_TRIES = 5;

export interface ReadingDependencies {
  readonly find: (spaceId: string, ref: FileRef) => Promise<StoredFile | null>;
  readonly store: ObjectStore;
  readonly recorder: AuditRecorder;
}

export interface LinkInput {
  readonly expiresInSeconds: number;
  readonly disposition: Disposition;
  readonly publicOrigin: string;
}

/** What part of a file's content to send: a range, all of it, or, where there is nothing to send, null. */
export type ContentChoice = { readonly range?: ByteRange | undefined } | null;

/** Hands out content: by link, or opened for the caller to stream. Nothing goes out that is not recorded. */
export class ReadingService {
  readonly #deps: ReadingDependencies;

  constructor(deps: ReadingDependencies) {
    this.#deps = deps;
  }

  /** Errors: FILE_NOT_FOUND. */
  async getFile(spaceId: string, ref: FileRef): Promise<StoredFile> {
    const file = await this.#deps.find(spaceId, ref);
    if (!file) throw fileNotFound(ref);
    return file;
  }

  /** A URL by which anybody may download the file's present content for a while. Errors: FILE_NOT_FOUND, FILE_PROCESSING, VIRUS_FOUND. */
  async presign(
    { space, ...record }: SpaceScope,
    ref: FileRef,
    { expiresInSeconds, disposition, publicOrigin }: LinkInput,
  ): Promise<{ readonly file: StoredFile; readonly request: PresignedRequest }> {
    const { store, recorder } = this.#deps;
    const file = await this.getFile(space.id, ref);
    // The disk store's URLs are ours and say nosniff; those of S3 cannot.
    const wanted = disposition !== 'attachment' && store.kind === 's3' ? 'media' : disposition;
    const request = await store.presignGet(readableKey(file), {
      expiresInSeconds,
      contentType: servedType(file.contentType),
      contentDisposition: contentDisposition(file.path, file.contentType, wanted),
      publicOrigin,
    });
    await recorder.record({
      ...record,
      action: 'file.link',
      subject: { type: 'file', id: file.id },
      metadata: { fileName: file.path, sizeBytes: file.sizeBytes, expiresInSeconds, ...record.metadata },
    });
    return { file, request };
  }

  /**
   * Opens the content, or what `choose` picks of it, and records the download. Between the look-up and the opening the
   * file may be replaced and its old object removed: then it is looked up again. Errors: FILE_NOT_FOUND, FILE_PROCESSING, VIRUS_FOUND.
   */
  async open(
    scope: SpaceScope,
    ref: FileRef,
    {
      choose,
      lookUp = () => this.getFile(scope.space.id, ref),
      action = 'file.download',
    }: {
      readonly choose: (file: StoredFile) => ContentChoice;
      /** For another content than the file's present one. */
      readonly lookUp?: () => Promise<StoredFile>;
      readonly action?: 'file.download' | 'link.download';
    },
  ): Promise<{ readonly file: StoredFile; readonly opened: OpenedObject | null }> {
    for (let attempt = 1; ; attempt += 1) {
      const file = await lookUp();
      const key = readableKey(file);
      const wanted = choose(file);
      if (wanted === null) return { file, opened: null };
      try {
        const opened = await this.#deps.store.get(key, wanted);
        await this.#recordDownload(scope, { file, range: wanted.range, opened, action });
        return { file, opened };
      } catch (error) {
        if (!(error instanceof ObjectNotFoundError) || attempt === OPEN_TRIES) throw error;
      }
    }
  }

  async #recordDownload(
    { actor, origin, metadata }: SpaceScope,
    {
      file,
      range,
      opened,
      action,
    }: {
      file: StoredFile;
      range: ByteRange | undefined;
      opened: OpenedObject;
      action: 'file.download' | 'link.download';
    },
  ): Promise<void> {
    const part = range ? { rangeStart: range.start, rangeEnd: range.end } : {};
    try {
      await this.#deps.recorder.record({
        action,
        actor,
        origin,
        subject: { type: 'file', id: file.id },
        metadata: { fileName: file.path, sizeBytes: file.sizeBytes, ...part, ...metadata },
      });
    } catch (error) {
      opened.body.destroy();
      throw error;
    }
  }
}
