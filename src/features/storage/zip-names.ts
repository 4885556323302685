import { createHash } from 'node:crypto';
import { extensionOf } from '../ingest/index.ts';

/** What file systems give one segment (255), less the room of a number. */
const SEGMENT_BYTES = 240;
/** Control characters, what turns the direction of text or breaks lines, and what Windows has no place for, `\` and `:` among it. */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd<>:"\\|?*]/gu;
/** Devices of Windows, whatever ending they have. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\.|$)/iu;

/** The folder that a prefix lies in: `photos/` of `photos/2026`. */
export function folderOf(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf('/') + 1);
}

/** What an archive is called: the last segment of the path, ending in `.zip`. */
export function archiveName(path: string): string {
  const last = path.split('/').findLast((segment) => segment !== '') ?? 'files';
  const name = safeSegment(last);
  return name.toLowerCase().endsWith('.zip') ? name : `${name}.zip`;
}

/** A segment of a path as every unpacker bears it: never empty, no dots or spaces at its end, no device, not too long. */
export function safeSegment(segment: string): string {
  const plain = shortened(segment.replaceAll('/', '_').replaceAll(UNSAFE, '_'));
  const trimmed = plain.replace(/[. ]+$/u, '');
  if (trimmed === '') return '_';
  return DEVICE.test(trimmed) ? `_${trimmed}` : trimmed;
}

/** Cut at a character; the ending stays. */
function shortened(segment: string): string {
  if (Buffer.byteLength(segment) <= SEGMENT_BYTES) return segment;
  const [stem, ending] = split(segment);
  const room = SEGMENT_BYTES - Buffer.byteLength(ending);
  // Cut bytes of a character come out as U+FFFD.
  return (
    Buffer.from(stem)
      .subarray(0, room)
      .toString()
      .replace(/\ufffd+$/u, '') + ending
  );
}

/** `photo.jpg` as `photo` and `.jpg`. */
function split(segment: string): readonly [string, string] {
  const extension = extensionOf(segment);
  return extension === '' ? [segment, ''] : [segment.slice(0, -extension.length - 1), `.${extension}`];
}

/**
 * Gives each path of one archive its name there: relative, safe for unpackers, and one that no other has, also where
 * case or composition is all the same to the file system, and never that of a folder. Who comes later gets a number.
 */
export class ZipNames {
  readonly #root: string;
  /** Fingerprints: an archive may hold a hundred thousand names, and two that meet by chance only cost a number. */
  readonly #files = new Set<number>();
  readonly #folders = new Set<number>();
  /** Where to go on counting, so that many files of one name do not begin at 1 each. */
  readonly #numbers = new Map<number, number>();
  readonly #folderNumbers = new Map<number, number>();

  /** `root`: what the paths begin with and the names do not. */
  constructor(root = '') {
    this.#root = root;
  }

  add(path: string): string {
    const segments = this.below(path).split('/').map(safeSegment);
    const last = segments.pop() ?? '_';
    const folder = segments.reduce((parent, segment) => this.#folder(parent, segment), '');
    return this.#file(folder, last);
  }

  /** The path without the root, otherwise as it is. */
  below(path: string): string {
    return this.covers(path) ? path.slice(this.#root.length) : path;
  }

  /** Whether a path lies below the root. */
  covers(path: string): boolean {
    return path.startsWith(this.#root);
  }

  /** Folders of one name are one; a file's name they cannot have. */
  #folder(parent: string, segment: string): string {
    const name = free(parent + segment, segment, {
      isFree: (key) => !this.#files.has(key),
      numbers: this.#folderNumbers,
    });
    this.#folders.add(fingerprint(name));
    return `${name}/`;
  }

  #file(folder: string, segment: string): string {
    const name = free(folder + segment, segment, {
      isFree: (key) => !this.#files.has(key) && !this.#folders.has(key),
      numbers: this.#numbers,
    });
    this.#files.add(fingerprint(name));
    return name;
  }
}

/** The name, with the first number before its ending that makes it free where it is not; that number is remembered. */
function free(
  wanted: string,
  segment: string,
  { isFree, numbers }: { readonly isFree: (key: number) => boolean; readonly numbers: Map<number, number> },
): string {
  const key = fingerprint(wanted);
  if (isFree(key)) return wanted;
  const ending = split(segment)[1];
  const stem = wanted.slice(0, wanted.length - ending.length);
  for (let number = numbers.get(key) ?? 1; ; number += 1) {
    const numbered = `${stem} (${number})${ending}`;
    if (!isFree(fingerprint(numbered))) continue;
    numbers.set(key, number);
    return numbered;
  }
}

/** 48 bits of what a file system may hold to be the same name. */
function fingerprint(name: string): number {
  const folded = name.normalize('NFD').toUpperCase().toLowerCase();
  return createHash('sha1').update(folded).digest().readUIntBE(0, 6);
}
