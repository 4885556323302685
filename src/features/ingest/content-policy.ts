import { AppError } from '../../errors/app-error.ts';
import type { Seen } from '../../platform/sniffing/seen.ts';
import { refine, sniff } from '../../platform/sniffing/sniff.ts';
import { contentTypeOf } from './content-type.ts';
import { checkedPath, lastSegment } from './file-name.ts';
import { claimsSomething, essenceOf, isPossible, typeOfEnding } from './type-claims.ts';

export interface ContentLimits {
  readonly maxFileBytes: number;
  /** `image/png` or `image/*`, in lower case; none: all. */
  readonly allowedTypes: readonly string[];
  /** `exe` or `tar.gz`, in lower case and without a dot before it. */
  readonly blockedExtensions: readonly string[];
}

/** What is about to come in, as far as it is known before its first byte. */
export interface Incoming {
  /** As the client wrote it. */
  readonly path: string;
  /** As the client says; what the name stands for where it says nothing. */
  readonly contentType: string | undefined;
  readonly sizeBytes?: number | undefined;
}

/** A name and type that may come in. */
export interface Admitted {
  /** NFC. */
  readonly path: string;
  readonly contentType: string;
}

/**
 * What may come in. Every entrance asks `admit` before the first byte and `check` with the first `SNIFF_BYTES` before the
 * bytes are a file; whatever else names a file (rename, move, copy) takes its name from `checkedName`.
 */
export class ContentPolicy {
  readonly #limits: ContentLimits;

  constructor(limits: ContentLimits) {
    this.#limits = limits;
  }

  get maxFileBytes(): number {
    return this.#limits.maxFileBytes;
  }

  /** Errors: VALIDATION_FAILED (name), FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED. */
  admit({ path: fileName, contentType: given, sizeBytes = 0 }: Incoming): Admitted {
    const path = this.checkedName(fileName);
    this.admitSize(sizeBytes);
    const contentType = contentTypeOf(path, given);
    this.#admitType(essenceOf(contentType));
    return { path, contentType };
  }

  /** Errors: FILE_TOO_LARGE. */
  admitSize(sizeBytes: number): void {
    const { maxFileBytes } = this.#limits;
    if (sizeBytes > maxFileBytes) throw new AppError('FILE_TOO_LARGE', { details: { maxBytes: maxFileBytes } });
  }

  /**
   * A file's name as a path in a space; `field` is what the caller calls it. Its ending must not be blocked, nor stand for
   * a type that is not allowed. Errors: VALIDATION_FAILED, FILE_TYPE_NOT_ALLOWED.
   */
  checkedName(fileName: string, field?: string): string {
    const path = checkedPath(fileName, field);
    const { blockedExtensions } = this.#limits;
    if (blockedExtensions.length > 0) {
      const name = asOpened(lastSegment(path));
      const extension = blockedExtensions.find((blocked) => name.endsWith(`.${blocked}`));
      if (extension !== undefined) throw notAllowed({ extension, blocked: blockedExtensions });
    }
    this.#admitType(typeOfEnding(path));
    return path;
  }

  /**
   * Looks at the first bytes (all of a shorter content). Refused is only what they show to be something else than the
   * type or the name's ending says, or something that is not allowed; what cannot be told passes.
   * Errors: CONTENT_MISMATCH, FILE_TYPE_NOT_ALLOWED.
   */
  async check({ path, contentType, head }: Admitted & { readonly head: Buffer }): Promise<void> {
    const { allowedTypes } = this.#limits;
    const claimed = [essenceOf(contentType), typeOfEnding(path)];
    // Where nothing is claimed, nothing can be wrong.
    if (allowedTypes.length === 0 && !claimed.some(claimsSomething)) return;
    const seen = sniff(head);
    if (seen === null) return;
    if (claimed.some((type) => type !== null && !isPossible(seen.kind, type))) {
      const { type } = await refine(seen, head);
      const fileName = lastSegment(path);
      throw new AppError('CONTENT_MISMATCH', { details: { seen: type, declared: contentType, fileName } });
    }
    if (allowedTypes.length > 0) await this.#admitSeen(seen, { head, claimed });
  }

  async #admitSeen(
    seen: Seen,
    { head, claimed }: { readonly head: Buffer; readonly claimed: readonly (string | null)[] },
  ): Promise<void> {
    const exact = await refine(seen, head);
    // Nothing closer was seen than the container that the type, which is allowed, comes in.
    const isClaimed = exact.type === seen.type && claimed.some((type) => claimsSomething(type));
    if (!isClaimed) this.#admitType(exact.type);
  }

  #admitType(type: string | null): void {
    const { allowedTypes } = this.#limits;
    if (allowedTypes.length === 0 || type === null) return;
    const isAllowed = allowedTypes.some((allowed) =>
      allowed.endsWith('/*') ? type.startsWith(allowed.slice(0, -1)) : type === allowed,
    );
    if (!isAllowed) throw notAllowed({ contentType: type, allowed: allowedTypes });
  }
}

/** As systems take a name that open it by its ending: without dots and spaces at its end, invisible characters, streams. */
function asOpened(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\p{Cf}/gu, '')
    .replace(/(:[^.]*)?[.\s]*$/, '');
}

function notAllowed(details: Readonly<Record<string, string | readonly string[]>>): AppError {
  return new AppError('FILE_TYPE_NOT_ALLOWED', { details });
}
