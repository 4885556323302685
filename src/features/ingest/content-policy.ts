import { AppError } from '../../errors/app-error.ts';
import type { Seen } from '../../platform/sniffing/seen.ts';
import { isMarked, refine, sniff, typeOfUnseen } from '../../platform/sniffing/sniff.ts';
import { contentTypeOf } from './content-type.ts';
import { checkedPath, lastSegment } from './file-name.ts';
import {
  claimsSomething,
  essenceOf,
  isInert,
  isPossible,
  mayBeText,
  mustShow,
  speaksOf,
  typeOfEnding,
} from './type-claims.ts';

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

/** What a content is said to be. */
interface Claimed {
  readonly declared: string;
  /** null where the name says nothing. */
  readonly ending: string | null;
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
      const names = asOpened(lastSegment(path));
      const extension = blockedExtensions.find((blocked) => names.some((name) => name.endsWith(`.${blocked}`)));
      if (extension !== undefined) throw notAllowed({ extension, blocked: blockedExtensions });
    }
    this.#admitType(typeOfEnding(path));
    return path;
  }

  /**
   * Looks at the first bytes (all of a shorter content). Refused is what they show to be something else than the type or the
   * name's ending says, what does not show a format whose every file does, and what is not allowed. An empty content passes.
   * Errors: CONTENT_MISMATCH, FILE_TYPE_NOT_ALLOWED.
   */
  async check({ path, contentType, head }: Admitted & { readonly head: Buffer }): Promise<void> {
    if (head.length === 0) return;
    const { allowedTypes } = this.#limits;
    const declared = essenceOf(contentType);
    const ending = typeOfEnding(path);
    const claimed = ending === null ? [declared] : [declared, ending];
    // Where nothing is claimed, nothing can be wrong.
    if (allowedTypes.length === 0 && !claimed.some(claimsSomething)) return;
    const seen = sniff(head);
    if (!claimed.every((type) => (seen ? isPossible(seen.kind, type) : mayBeUnseen(head, type)))) {
      const type = seen ? (await refine(seen, head)).type : typeOfUnseen(head);
      const fileName = lastSegment(path);
      throw new AppError('CONTENT_MISMATCH', { details: { seen: type, declared: contentType, fileName } });
    }
    if (allowedTypes.length === 0) return;
    if (seen) await this.#admitSeen(seen, head, { declared, ending });
    else this.#admitUnseen(head, { declared, ending });
  }

  /** Name and type are allowed; but the client chooses the type, and an ending that nobody knows says nothing. */
  async #admitSeen(seen: Seen, head: Buffer, { declared, ending }: Claimed): Promise<void> {
    const exact = await refine(seen, head);
    // Nothing closer was seen than the container that the type comes in.
    const isClaimed =
      exact.type === seen.type &&
      (speaksOf(seen.kind, declared) || (ending !== null && (speaksOf(seen.kind, ending) || isInert(seen.kind))));
    if (!isClaimed) this.#admitType(exact.type);
  }

  #admitUnseen(head: Buffer, { declared, ending }: Claimed): void {
    const type = typeOfUnseen(head);
    const isText = type === 'text/plain';
    const isClaimed =
      mustShow(declared) !== null ||
      (ending !== null && (!isText || mayBeText(ending))) ||
      (isText && claimsSomething(declared) && speaksOf('html', declared));
    if (!isClaimed) this.#admitType(type);
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

/** Whether bytes that nothing was seen in may go by this type. */
function mayBeUnseen(head: Buffer, type: string): boolean {
  const kinds = mustShow(type);
  return kinds === null || isMarked(head, kinds);
}

/** As systems take a name that open it by its ending: without what is invisible and what they cut off; with a stream, and without. */
function asOpened(name: string): string[] {
  const shown = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/gu, '');
  const whole = shown.replace(/[.\s]*$/, '');
  return [whole, shown.replace(/:.*$/s, '').replace(/[.\s]*$/, '')];
}

function notAllowed(details: Readonly<Record<string, string | readonly string[]>>): AppError {
  return new AppError('FILE_TYPE_NOT_ALLOWED', { details });
}
