import { createHash } from 'node:crypto';
import { splitForNumber } from '../../src/features/ingest/index.ts';
import type { ConflictPolicy } from '../../src/features/ledger/index.ts';

/** Bytes as far as a ledger cares. */
export interface Content {
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface ModelFile {
  readonly id: string;
  path: string;
  content: Content;
  tags: readonly string[];
  /** Newest first. */
  versions: Content[];
}

/** The same one wherever it is moved. */
export interface ModelFolder {
  path: string;
}

interface ModelReservation {
  readonly id: string;
  heldBytes: number;
  heldObjects: number;
  /** Nothing is drawn from it any more; held until somebody needs the room. */
  isOver: boolean;
  /** Of a public link: nothing but whole files comes, so that bytes without an object are of no use. */
  isDrop: boolean;
}

/** Stored, but no file yet. */
export interface ModelUpload {
  path: string;
  readonly conflict: ConflictPolicy;
  readonly content: Content;
  /** null keeps the tags of a file that is replaced. */
  readonly tags: readonly string[] | null;
  heldBytes: number;
  heldObjects: number;
  readonly reservation: ModelReservation | null;
}

export interface UploadWish extends Pick<ModelUpload, 'path' | 'conflict' | 'content' | 'tags'> {
  /** An id; one that is not open holds nothing. */
  readonly reservationId?: string | undefined;
}

export interface ModelSettings {
  kind: 'KEY' | 'DRIVE';
  trashDays: number | null;
  versionsKept: number;
  quotaBytes: number;
  quotaObjects: number;
}

/** How a step ended: `ok` or the code of its error; with a file, its id and where the ledger put it. */
export interface Answer {
  readonly code: string;
  readonly id?: string;
  readonly path?: string;
}

const OK = 'ok';

/**
 * A space as API.md tells it: plain maps, nobody else, nothing to go wrong. Its methods answer the code that the same step
 * must give on the real one. Only ids, and the numbers that `keepBoth` gives, are learnt from there, and checked.
 */
export class SpaceModel {
  readonly living = new Map<string, ModelFile>();
  readonly folders = new Map<string, ModelFolder>();
  readonly reservations = new Map<string, ModelReservation>();
  readonly uploads = new Set<ModelUpload>();
  readonly settings: ModelSettings;
  trash: ModelFile[] = [];

  constructor(settings: ModelSettings) {
    this.settings = { ...settings };
  }

  /** As the counters of the space must stand. */
  counters() {
    const files = [...this.living.values(), ...this.trash];
    const versions = files.flatMap((file) => file.versions);
    const held = [...this.uploads, ...this.reservations.values()];
    const bytes = (contents: readonly Content[]) => contents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const contents = (of: readonly ModelFile[]) => of.map(({ content }) => content);
    return {
      usedBytes: bytes(contents(files)) + bytes(versions),
      usedObjects: files.length + versions.length,
      trashBytes: bytes(contents(this.trash)),
      trashObjects: this.trash.length,
      versionBytes: bytes(versions),
      versionObjects: versions.length,
      reservedBytes: held.reduce((sum, { heldBytes }) => sum + heldBytes, 0),
      reservedObjects: held.reduce((sum, { heldObjects }) => sum + heldObjects, 0),
      folders: this.folders.size,
      uploads: this.uploads.size,
    };
  }

  /** Begins an upload; answers it, or the code. */
  reserve({ path, conflict, content, tags, reservationId }: UploadWish): ModelUpload | string {
    const taken = conflict === 'keepBoth' ? undefined : this.living.get(path);
    if (taken && conflict === 'fail') return 'FILE_EXISTS';
    const upload = (freed: { bytes: number; objects: number }, reservation: ModelReservation | null): ModelUpload => ({
      path,
      conflict,
      content,
      tags,
      heldBytes: Math.max(0, content.sizeBytes - freed.bytes),
      heldObjects: Math.max(0, 1 - freed.objects),
      reservation,
    });
    if (reservationId !== undefined) {
      const reservation = this.reservations.get(reservationId) ?? null;
      const drawn = upload(this.#freedBy(taken), reservation);
      const isDrawn = reservation !== null && !reservation.isOver;
      if (!isDrawn || drawn.heldBytes > reservation.heldBytes || drawn.heldObjects > reservation.heldObjects) {
        this.expire();
        return 'QUOTA_EXCEEDED';
      }
      reservation.heldBytes -= drawn.heldBytes;
      reservation.heldObjects -= drawn.heldObjects;
      this.uploads.add(drawn);
      return drawn;
    }
    // Where none are kept, versions that are left are only looked for when it does not fit without.
    const simple = upload({ bytes: taken?.content.sizeBytes ?? 0, objects: taken ? 1 : 0 }, null);
    const exact = upload(this.#freedBy(taken), null);
    const isSimple =
      this.settings.versionsKept === 0 && conflict !== 'fail' && this.#fits(simple.heldBytes, simple.heldObjects);
    const held = isSimple ? simple : exact;
    if (!isSimple && !this.#hold(exact.heldBytes, exact.heldObjects)) return 'QUOTA_EXCEEDED';
    this.uploads.add(held);
    return held;
  }

  /** Ends an upload without a file. */
  release(upload: ModelUpload): void {
    if (this.uploads.delete(upload)) this.#giveBack(upload, 0, 0);
  }

  commit(upload: ModelUpload, answer: Answer): string {
    this.uploads.delete(upload);
    const { path, conflict, content, tags } = upload;
    const taken = conflict === 'keepBoth' ? undefined : this.living.get(path);
    const freed = this.#freedBy(taken);
    const bytes = content.sizeBytes - freed.bytes;
    const objects = 1 - freed.objects;
    const code = taken && conflict === 'fail' ? 'FILE_EXISTS' : this.#take(upload, bytes, objects);
    if (code !== OK) {
      this.#giveBack(upload, 0, 0);
      return code;
    }
    this.#giveBack(upload, Math.max(0, bytes), Math.max(0, objects));
    const { versionsKept } = this.settings;
    if (taken) {
      taken.versions = versionsKept === 0 ? [] : [taken.content, ...taken.versions].slice(0, versionsKept);
      taken.content = content;
      taken.tags = tags ?? taken.tags;
      return OK;
    }
    const name = this.#given(path, conflict, answer);
    this.#put({ id: answer.id ?? '', path: name, content, tags: tags ?? [], versions: [] });
    return OK;
  }

  /** Answers which paths were there. */
  delete(paths: readonly string[]): string[] {
    const gone = [...new Set(paths)].filter((path) => this.living.has(path));
    for (const path of gone) this.#delete(path);
    return gone;
  }

  deletePrefix(prefix: string): string[] {
    const gone = this.delete([...this.living.keys()].filter((path) => path.startsWith(prefix)));
    // A prefix that names a folder takes it along.
    for (const folder of [...this.folders.keys()])
      if (`${folder}/`.startsWith(prefix) && prefix.endsWith('/')) this.folders.delete(folder);
    return gone;
  }

  change(
    path: string,
    { to, conflict, tags }: { to?: string | undefined; conflict: ConflictPolicy; tags?: readonly string[] | undefined },
    answer: Answer,
  ): string {
    const file = this.living.get(path);
    if (!file) return 'FILE_NOT_FOUND';
    if (to !== undefined && to !== path) {
      if (this.living.has(to) && conflict === 'fail') return 'FILE_EXISTS';
      const name = this.#given(to, conflict, answer);
      if (conflict === 'replace') this.#delete(to);
      this.living.delete(path);
      file.path = name;
      this.#put(file);
    }
    file.tags = tags ?? file.tags;
    return OK;
  }

  restore(file: ModelFile | undefined, conflict: ConflictPolicy, answer: Answer): string {
    if (!file || !this.trash.includes(file)) return 'gone';
    if (this.living.has(file.path) && conflict === 'fail') return 'exists';
    const name = this.#given(file.path, conflict, answer);
    if (conflict === 'replace') this.#delete(file.path);
    this.trash = this.trash.filter((other) => other !== file);
    file.path = name;
    this.#put(file);
    return OK;
  }

  purge(files: readonly ModelFile[]): void {
    this.trash = this.trash.filter((file) => !files.includes(file));
  }

  restoreVersion(path: string, index: number): string {
    const file = this.living.get(path);
    if (!file) return 'gone';
    const [version] = file.versions.splice(index, 1);
    if (!version) return 'no-version';
    file.versions.unshift(file.content);
    file.content = version;
    return OK;
  }

  deleteVersion(path: string, index: number): string {
    const file = this.living.get(path);
    const [version] = file?.versions.splice(index, 1) ?? [];
    return version ? OK : 'gone';
  }

  makeFolder(path: string): string {
    if (this.settings.kind !== 'DRIVE') return 'gone';
    if (this.folders.has(path)) return 'exists';
    this.#makeParents(`${path}/x`);
    return 'made';
  }

  /** `begun` where more than `limit` files lie below: what is to come is done here at once. */
  moveFolder(from: string, to: string, limit: number): string {
    if (!this.folders.has(from)) return 'gone';
    if (from === to) return 'moved';
    if (to.startsWith(`${from}/`)) return 'inside';
    if (this.folders.has(to)) return 'exists';
    this.#makeParents(to);
    const moved = (path: string) => to + path.slice(from.length);
    for (const folder of [...this.folders.values()].filter(({ path }) => isWithin(path, from))) {
      this.folders.delete(folder.path);
      folder.path = moved(folder.path);
      this.folders.set(folder.path, folder);
    }
    const files = this.#below(from);
    for (const file of files) {
      this.living.delete(file.path);
      file.path = moved(file.path);
      this.living.set(file.path, file);
    }
    return files.length > limit ? 'begun' : 'moved';
  }

  deleteFolder(path: string, limit: number): string {
    if (!this.folders.has(path)) return 'gone';
    for (const folder of [...this.folders.keys()]) if (isWithin(folder, path)) this.folders.delete(folder);
    const files = this.#below(path);
    for (const file of files) this.#delete(file.path);
    return files.length > limit ? 'begun' : 'deleted';
  }

  openReservation(id: string, bytes: number, objects: number, isDrop = false): boolean {
    if (!this.#hold(bytes, objects)) return false;
    this.reservations.set(id, { id, heldBytes: bytes, heldObjects: objects, isOver: false, isDrop });
    return true;
  }

  /** Gives back what is over; answers whether anything was. */
  expire(): boolean {
    const over = [...this.reservations.values()].filter(({ isOver }) => isOver);
    for (const { id } of over) this.reservations.delete(id);
    return over.length > 0;
  }

  closeReservation(id: string): void {
    this.reservations.delete(id);
  }

  #below(folder: string): ModelFile[] {
    return [...this.living.values()].filter(({ path }) => path.startsWith(`${folder}/`));
  }

  #put(file: ModelFile): void {
    this.living.set(file.path, file);
    this.#makeParents(file.path);
  }

  #makeParents(path: string): void {
    if (this.settings.kind !== 'DRIVE') return;
    const segments = path.split('/');
    for (let depth = 1; depth < segments.length; depth += 1) {
      const folder = segments.slice(0, depth).join('/');
      if (!this.folders.has(folder)) this.folders.set(folder, { path: folder });
    }
  }

  #delete(path: string): void {
    const file = this.living.get(path);
    if (!file) return;
    this.living.delete(path);
    const { kind, trashDays } = this.settings;
    if ((trashDays ?? (kind === 'DRIVE' ? 30 : 0)) > 0) this.trash.push(file);
  }

  /** What replacing a file makes room of. */
  #freedBy(file: ModelFile | undefined): { bytes: number; objects: number } {
    if (!file) return { bytes: 0, objects: 0 };
    const kept = this.settings.versionsKept;
    const gone = [file.content, ...file.versions].slice(kept);
    return { bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), objects: gone.length };
  }

  /** What is over makes room, where it does not fit. */
  #hold(bytes: number, objects: number): boolean {
    return this.#fits(bytes, objects) || (this.expire() && this.#fits(bytes, objects));
  }

  #fits(bytes: number, objects: number): boolean {
    const { usedBytes, usedObjects, reservedBytes, reservedObjects } = this.counters();
    const { quotaBytes, quotaObjects } = this.settings;
    return (
      (bytes <= 0 || usedBytes + reservedBytes + bytes <= quotaBytes) &&
      (objects <= 0 || usedObjects + reservedObjects + objects <= quotaObjects)
    );
  }

  /** Whether an upload may take so much now: what it holds is its own, what goes beyond has to fit where it draws from. */
  #take(upload: ModelUpload, bytes: number, objects: number): string {
    const beyondBytes = Math.max(0, bytes - upload.heldBytes);
    const beyondObjects = Math.max(0, objects - upload.heldObjects);
    if (beyondBytes === 0 && beyondObjects === 0) return OK;
    const { reservation } = upload;
    if (reservation && this.reservations.has(reservation.id)) {
      if (reservation.heldBytes < beyondBytes || reservation.heldObjects < beyondObjects) return 'QUOTA_EXCEEDED';
      reservation.heldBytes -= beyondBytes;
      reservation.heldObjects -= beyondObjects;
      upload.heldBytes += beyondBytes;
      upload.heldObjects += beyondObjects;
      return OK;
    }
    // The upload's own room is no longer among the counters.
    const fits = this.#fits(beyondBytes > 0 ? bytes : 0, beyondObjects > 0 ? objects : 0);
    return fits ? OK : 'QUOTA_EXCEEDED';
  }

  #giveBack(upload: ModelUpload, usedBytes: number, usedObjects: number): void {
    const { reservation, heldBytes, heldObjects } = upload;
    if (!reservation) return;
    reservation.heldBytes += Math.max(0, heldBytes - usedBytes);
    reservation.heldObjects += Math.max(0, heldObjects - usedObjects);
    const isUsedUp =
      reservation.heldObjects === 0 && ![...this.uploads].some((other) => other.reservation === reservation);
    if (reservation.isDrop && isUsedUp) reservation.heldBytes = 0;
  }

  /** The name that was given, held against the rules. */
  #given(wanted: string, conflict: ConflictPolicy, { path = wanted }: Answer): string {
    if (conflict !== 'keepBoth' || !this.living.has(wanted)) {
      if (path !== wanted) throw new Error(`${wanted} was free, and ${path} given`);
      return wanted;
    }
    const { stem, suffix } = splitForNumber(wanted);
    const number = path.slice(stem.length, path.length - suffix.length);
    const isNumbered = path.startsWith(stem) && path.endsWith(suffix) && /^ \([1-9]\d*\)$/.test(number);
    if (!isNumbered || this.living.has(path)) throw new Error(`${wanted} was taken, and ${path} given`);
    return path;
  }
}

/** Bytes of a size that differ from others of that size by their seed. */
export function contentOf(sizeBytes: number, seed: number): { readonly bytes: Buffer; readonly content: Content } {
  const bytes = Buffer.alloc(sizeBytes, `${seed}.`);
  return { bytes, content: { sizeBytes, sha256: createHash('sha256').update(bytes).digest('hex') } };
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
