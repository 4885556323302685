import type { MediaMetadata } from '../../platform/media/media-metadata.ts';
import type { ThumbnailSize } from '../../platform/media/thumbnail-sizes.ts';
import type { ContentStatus } from '../ledger/index.ts';
import type { StoredFile } from '../storage/index.ts';

/**
 * What becomes of a content: PENDING until a worker has read it; DONE; FAILED (it is broken, a bomb, or nobody could read it);
 * SKIPPED (nothing can be made of it here).
 */
export type MediaState = 'PENDING' | 'DONE' | 'FAILED' | 'SKIPPED';

/** A thumbnail as its content's row names it. */
export interface StoredThumbnail {
  readonly key: string;
  readonly width: number;
  readonly height: number;
  readonly sizeBytes: number;
}

/** All sizes, or none. */
export type StoredThumbnails = { readonly [size in ThumbnailSize]?: StoredThumbnail };

/** What was made of one content. */
export interface ContentMedia {
  readonly objectKey: string;
  readonly state: MediaState;
  /** Why it is not DONE, for people; null while nothing went wrong. */
  readonly error: string | null;
  /** It failed by its own fault: no further try ends otherwise. */
  readonly isFinal: boolean;
  readonly metadata: MediaMetadata;
  readonly thumbnails: StoredThumbnails;
}

/** A content that a worker is to read, whoever names it: a file, also in the trash, or a version. */
export interface MediaSource {
  /** Of the space: where thumbnails go. */
  readonly prefix: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly status: ContentStatus;
  readonly state: MediaState;
}

/** What a worker has made of a content. */
export interface MediaOutcome {
  readonly metadata: MediaMetadata;
  readonly searchText: string;
  readonly thumbnails: StoredThumbnails;
}

/** Links that need no credentials, for an hour at the most. */
export type ThumbnailLinks = { readonly [size in ThumbnailSize]: string };

/** How an asset is shown. */
export interface AssetView {
  /** Of links. */
  readonly publicOrigin: string;
  /** Whoever may not read contents sees nothing of what was made of them, and finds nothing by it. */
  readonly mayRead: boolean;
}

/** A file with what was made of its present content. */
export interface Asset {
  readonly file: StoredFile;
  /** null where nothing is to be made of it. */
  readonly processing: Pick<ContentMedia, 'state' | 'error'> | null;
  readonly links: ThumbnailLinks | null;
  readonly metadata: MediaMetadata | null;
}
