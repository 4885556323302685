import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../platform/clock/clock.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { StoredThumbnails, ThumbnailLinks } from './asset.ts';

export const WEBP = 'image/webp';
const LINK_SECONDS = 3600;
/**
 * A link is given again for so long, and then holds for three quarters of an hour yet. Signing one for S3 takes about a
 * millisecond, a page has up to 600; and whoever shows a page again finds its pictures in the browser's cache.
 */
const REMEMBERED_MS = 15 * 60 * 1000;
const REMEMBERED_ENTRIES = 5000;
/** An origin may be as long as a request's header. */
const REMEMBERED_CHARS = 8 * 1024 * 1024;

export interface ThumbnailLinksDependencies {
  readonly store: ObjectStore;
  readonly clock: Clock;
}

/** Presigned links to thumbnails. An object never changes, so neither does what a link shows. */
export class ThumbnailLinker {
  readonly #deps: ThumbnailLinksDependencies;
  readonly #links: LRUCache<string, ThumbnailLinks>;

  constructor(deps: ThumbnailLinksDependencies) {
    this.#deps = deps;
    const perf = { now: () => deps.clock.now().getTime() };
    this.#links = new LRUCache({
      max: REMEMBERED_ENTRIES,
      maxSize: REMEMBERED_CHARS,
      sizeCalculation: ({ small, medium, large }, slot) => small.length + medium.length + large.length + slot.length,
      ttl: REMEMBERED_MS,
      ttlResolution: 0,
      perf,
    });
  }

  /** null where there are none. */
  async links(thumbnails: StoredThumbnails, publicOrigin: string): Promise<ThumbnailLinks | null> {
    const { small, medium, large } = thumbnails;
    if (!small || !medium || !large) return null;
    const slot = `${publicOrigin} ${small.key}`;
    const known = this.#links.get(slot);
    if (known) return known;
    // Others have their turn between one asset and the next.
    await yieldToOthers();
    const sign = ({ key }: { readonly key: string }) => this.#sign(key, publicOrigin);
    const links = { small: await sign(small), medium: await sign(medium), large: await sign(large) };
    this.#links.set(slot, links);
    return links;
  }

  async #sign(key: string, publicOrigin: string): Promise<string> {
    const request = await this.#deps.store.presignGet(key, {
      expiresInSeconds: LINK_SECONDS,
      contentType: WEBP,
      contentDisposition: 'inline; filename="thumbnail.webp"',
      publicOrigin,
    });
    return request.url;
  }
}
