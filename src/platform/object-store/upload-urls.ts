import type { ObjectStore, PresignedRequest, PresignPartOptions, PresignPutOptions } from './object-store.ts';
import type { ProbedStore } from './probed-store.ts';
import type { UrlSigner } from './signed-urls.ts';

export interface UploadUrlDependencies {
  readonly store: Pick<ObjectStore, 'presignPut' | 'presignPart'>;
  readonly probed: Pick<ProbedStore, 'capabilities'>;
  /** Of this server's own URLs. */
  readonly urls: UrlSigner;
}

/**
 * URLs that take uploads. A store that lets headers in which nobody signed, and one of which that is not yet known, gets no
 * PUT from clients: their URLs are this server's, which passes on the body alone.
 */
export class UploadUrls {
  readonly #deps: UploadUrlDependencies;

  constructor(deps: UploadUrlDependencies) {
    this.#deps = deps;
  }

  /** `createOnly` only where the store's `probe` says `conditionalPut`. The SHA-256 is signed where it is held to. */
  async put(key: string, options: PresignPutOptions): Promise<PresignedRequest> {
    const { store, probed, urls } = this.#deps;
    const { refusesUnsigned, signedChecksum } = probed.capabilities;
    if (!refusesUnsigned) return urls.put(key, options);
    return store.presignPut(key, signedChecksum ? options : { ...options, sha256: undefined });
  }

  async part(key: string, options: PresignPartOptions): Promise<PresignedRequest> {
    const { store, probed, urls } = this.#deps;
    return probed.capabilities.refusesUnsigned ? store.presignPart(key, options) : urls.part(key, options);
  }
}
