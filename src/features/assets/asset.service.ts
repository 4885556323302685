import { AppError } from '../../errors/app-error.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { mediaKindOf } from '../../platform/media/media-kinds.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import type { AuditRepository } from '../audit/index.ts';
import { processMediaJob, readableKey } from '../ingest/index.ts';
import type { DeletedFile, SpaceScope } from '../ledger/index.ts';
import {
  type ChangeInput,
  type DeleteOptions,
  fileNotFound,
  type ListQuery,
  type StorageService,
  type StoredFile,
} from '../storage/index.ts';
import type { Asset, AssetView, ContentMedia } from './asset.ts';
import type { MediaRepository } from './media.repository.ts';
import type { ThumbnailLinker } from './thumbnail-links.ts';

export interface AssetDependencies {
  readonly uow: UnitOfWork;
  readonly storage: StorageService;
  readonly media: MediaRepository;
  readonly links: ThumbnailLinker;
  readonly queue: JobSender;
  readonly audit: AuditRepository;
}

export interface AssetQuery extends Pick<ListQuery, 'search' | 'category' | 'tag' | 'status' | 'limit' | 'cursor'> {}

export interface AssetPage {
  readonly assets: readonly Asset[];
  readonly nextCursor: string | null;
}

/** Files of a space by id, with what was made of their contents. */
export class AssetService {
  readonly #deps: AssetDependencies;

  constructor(deps: AssetDependencies) {
    this.#deps = deps;
  }

  /** Newest first. Errors: VALIDATION_FAILED (cursor). */
  async list(spaceId: string, query: AssetQuery, view: AssetView): Promise<AssetPage> {
    const order = { prefix: '', sort: 'date', order: 'desc', searchesMetadata: view.mayRead } as const;
    const { files, nextCursor } = await this.#deps.storage.list(spaceId, { ...query, ...order });
    return { assets: await this.#withMedia(spaceId, files, view), nextCursor };
  }

  /** Errors: FILE_NOT_FOUND. */
  async get(spaceId: string, id: string, view: AssetView): Promise<Asset> {
    return this.#asset(spaceId, await this.getFile(spaceId, id), view);
  }

  /** Errors: FILE_NOT_FOUND. */
  getFile(spaceId: string, id: string): Promise<StoredFile> {
    return this.#deps.storage.getFile(spaceId, refTo(id));
  }

  /** Errors: those of `StorageService.change`. */
  async change(
    scope: SpaceScope,
    id: string,
    { input, view }: { readonly input: ChangeInput; readonly view: AssetView },
  ): Promise<Asset> {
    const file = await this.#deps.storage.change(scope, refTo(id), input);
    return this.#asset(scope.space.id, file, view);
  }

  /** Errors: FILE_NOT_FOUND. */
  delete(scope: SpaceScope, id: string, options: DeleteOptions): Promise<DeletedFile> {
    return this.#deps.storage.delete(scope, refTo(id), options);
  }

  /**
   * Has the present content processed once more; nothing more where that is about to happen. What there is of it is shown
   * until then. Errors: FILE_NOT_FOUND, FILE_TYPE_NOT_ALLOWED (nothing is made of it), CONFLICT (it has failed by its own fault),
   * FILE_PROCESSING, VIRUS_FOUND.
   */
  async process(scope: SpaceScope, id: string, view: AssetView): Promise<Asset> {
    const { uow, media, queue, audit } = this.#deps;
    const spaceId = scope.space.id;
    const file = await this.getFile(spaceId, id);
    if (mediaKindOf(file.contentType) === null) {
      throw new AppError('FILE_TYPE_NOT_ALLOWED', {
        message: 'Nothing is made of files of this type',
        details: { contentType: file.contentType },
      });
    }
    readableKey(file, { id });
    const isSet = await uow.run(async (tx) => {
      const priority = await media.setPending(tx, spaceId, file);
      if (priority === null) return false;
      await queue.enqueue(tx, processMediaJob, { spaceId, fileId: file.id, objectKey: file.objectKey }, { priority });
      const { actor, origin } = scope;
      const metadata = { fileName: file.path };
      await audit.append(tx, {
        action: 'file.process',
        actor,
        origin,
        subject: { type: 'file', id: file.id },
        metadata,
      });
      return true;
    });
    if (!isSet) await this.#assertNotFinal(spaceId, file);
    return this.get(spaceId, id, view);
  }

  async #assertNotFinal(spaceId: string, { objectKey }: StoredFile): Promise<void> {
    const [known] = await this.#deps.media.findMany(spaceId, [objectKey]);
    if (!known?.isFinal) return;
    const message = 'Processing failed because of the content itself, and would again';
    throw new AppError('CONFLICT', { message, details: { error: known.error } });
  }

  async #asset(spaceId: string, file: StoredFile, view: AssetView): Promise<Asset> {
    const [asset] = await this.#withMedia(spaceId, [file], view);
    if (!asset) throw fileNotFound({ id: file.id });
    return asset;
  }

  async #withMedia(spaceId: string, files: readonly StoredFile[], view: AssetView): Promise<Asset[]> {
    const keys = files.map(({ objectKey }) => objectKey);
    const found = keys.length > 0 ? await this.#deps.media.findMany(spaceId, keys) : [];
    const mediaOf = new Map<string, ContentMedia>(found.map((media) => [media.objectKey, media]));
    const assets: Asset[] = [];
    for (const file of files) {
      const media = mediaOf.get(file.objectKey) ?? null;
      const isShown = media !== null && view.mayRead;
      assets.push({
        file,
        processing: media,
        links:
          isShown && file.status === 'READY' ? await this.#deps.links.links(media.thumbnails, view.publicOrigin) : null,
        metadata: isShown && isMade(media) ? media.metadata : null,
      });
    }
    return assets;
  }
}

/** There is something of it, if only of an earlier run. */
function isMade({ state, metadata }: ContentMedia): boolean {
  return state === 'DONE' || Object.keys(metadata).length > 0;
}

/** Errors: FILE_NOT_FOUND, for what is no id. */
function refTo(id: string): { readonly id: string } {
  if (!isId(id)) throw fileNotFound({ id });
  return { id };
}
