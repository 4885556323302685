import { presentFile } from '../storage/index.ts';
import type { Asset } from './asset.ts';

/** API.md's `asset`: the file, with what was made of its present content. */
export function presentAsset({ file, processing, links, metadata }: Asset) {
  return {
    ...presentFile(file),
    processing: { state: processing?.state ?? 'NONE', error: processing?.error ?? null },
    thumbnails: links,
    metadata,
  };
}
