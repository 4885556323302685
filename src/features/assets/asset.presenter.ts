import { presentFile } from '../storage/index.ts';
import type { Asset } from './asset.ts';

/** API.md's `asset`: the file, with what was made of its present content. */
export function presentAsset({ file, media, links }: Asset) {
  const isMade = media !== null && (media.state === 'DONE' || Object.keys(media.metadata).length > 0);
  return {
    ...presentFile(file),
    processing: { state: media?.state ?? 'NONE', error: media?.error ?? null },
    thumbnails: links,
    metadata: isMade ? media.metadata : null,
  };
}
