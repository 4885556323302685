import { AppError } from '../../errors/app-error.ts';
import { THUMBNAIL_EDGES, type ThumbnailSize } from '../../platform/media/thumbnail-sizes.ts';
import { ObjectNotFoundError } from '../../platform/object-store/errors.ts';
import type { ObjectStore, OpenedObject } from '../../platform/object-store/object-store.ts';
import type { StoredFile } from '../storage/index.ts';
import type { StoredThumbnail } from './asset.ts';
import type { MediaRepository } from './media.repository.ts';

/** How often a read that lost its object to a newer one looks again. */
const OPEN_TRIES = 5;

export interface ThumbnailDependencies {
  readonly media: MediaRepository;
  readonly store: ObjectStore;
}

/** A file that its reader may read, and whose it is. */
export interface ReadableFile {
  readonly spaceId: string;
  readonly file: StoredFile;
}

/** Reads thumbnails of files that somebody else has found the reader to be allowed to read. */
export class ThumbnailService {
  readonly #deps: ThumbnailDependencies;

  constructor(deps: ThumbnailDependencies) {
    this.#deps = deps;
  }

  /** Opens a thumbnail where `wants` says so. What may not be read has none. Errors: THUMBNAIL_NOT_FOUND, those of `lookUp`. */
  async open(
    lookUp: () => Promise<ReadableFile>,
    size: string,
    wants: (thumbnail: StoredThumbnail, file: StoredFile) => boolean,
  ): Promise<OpenedObject | null> {
    for (let attempt = 1; ; attempt += 1) {
      const { spaceId, file } = await lookUp();
      const thumbnail = file.status === 'READY' ? await this.#find(spaceId, file.objectKey, size) : null;
      if (!thumbnail) throw new AppError('THUMBNAIL_NOT_FOUND', { details: { id: file.id, size } });
      if (!wants(thumbnail, file)) return null;
      try {
        return await this.#deps.store.get(thumbnail.key);
      } catch (error) {
        // Made anew, or replaced with its content, between the look-up and now.
        if (!(error instanceof ObjectNotFoundError) || attempt === OPEN_TRIES) throw error;
      }
    }
  }

  async #find(spaceId: string, objectKey: string, size: string): Promise<StoredThumbnail | null> {
    if (!Object.hasOwn(THUMBNAIL_EDGES, size)) return null;
    const [media] = await this.#deps.media.findMany(spaceId, [objectKey]);
    return media?.thumbnails[size as ThumbnailSize] ?? null;
  }
}
