import type { Readable } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { BrokenImageError, ImagesBusyError, ImageTooLargeError, ImageTypeError } from '../../platform/images/errors.ts';
import { IMAGE_TYPES, type ImageConverter } from '../../platform/images/image-converter.ts';
import type { ByteBudget } from '../../platform/object-store/byte-budget.ts';
import type { ObjectStore } from '../../platform/object-store/object-store.ts';
import type { AuditActor, AuditOrigin, AuditRepository } from '../audit/index.ts';
import { ANNOUNCED_SLACK_BYTES, readHead } from '../ingest/index.ts';
import type { TombstoneRepository } from '../ledger/index.ts';
import type { ProfileRepository } from './profile.repository.ts';

const MAX_PHOTO_BYTES = 5 * 1024 * 1024;
const MAX_EDGE_PX = 512;
const WEBP = 'image/webp';
const LINK_SECONDS = 3600;
/** A put that takes longer has failed: what it leaves is removed. */
const INTENT_SECONDS = 600;
const RETRY_AFTER_SECONDS = 2;

export interface PhotoDependencies {
  readonly uow: UnitOfWork;
  readonly profiles: ProfileRepository;
  readonly tombstones: TombstoneRepository;
  readonly audit: AuditRepository;
  readonly images: ImageConverter;
  readonly store: ObjectStore;
  /** Of photos alone: whoever fills it keeps no file from being uploaded. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
}

/** A photo as it was sent, in memory of the photos' budget until it is released. */
export interface ReceivedPhoto {
  readonly bytes: Buffer;
  /** Once or more often. */
  release(): void;
  abort(): Promise<void>;
}

/** Who sets a photo, from where, and how clients reach this server. */
export interface PhotoSetter {
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
  readonly publicOrigin: string;
}

export interface PhotoLink {
  readonly url: string;
  /** Seconds. */
  readonly expiresIn: number;
}

/** Photos of users: small WebP pictures beside the drive's objects, not counted on its quota. */
export class PhotoService {
  readonly #deps: PhotoDependencies;
  readonly #setting = new Set<string>();

  constructor(deps: PhotoDependencies) {
    this.#deps = deps;
  }

  /** Runs `work` unless this user sets a photo at this process already. Errors: RATE_LIMITED, at once; those of `work`. */
  async oneAtATime<T>(userId: string, work: () => Promise<T>): Promise<T> {
    if (this.#setting.has(userId)) throw oneIsComing();
    this.#setting.add(userId);
    return work().finally(() => this.#setting.delete(userId));
  }

  /** Reads up to 5 MiB. Errors: FILE_TOO_LARGE as soon as there is more, DEPENDENCY_UNAVAILABLE when memory is short. */
  async receive(body: Readable, announcedBytes: number | undefined): Promise<ReceivedPhoto> {
    if ((announcedBytes ?? 0) - ANNOUNCED_SLACK_BYTES > MAX_PHOTO_BYTES) throw tooLarge();
    const { bytes, ended, release } = await readHead(body, MAX_PHOTO_BYTES, this.#deps.budget);
    if (!ended || bytes.length > MAX_PHOTO_BYTES) {
      release();
      throw bytes.length > MAX_PHOTO_BYTES ? tooLarge() : busy();
    }
    return { bytes, release, abort: async () => release() };
  }

  /**
   * Makes it the user's photo; the one before is removed. The object's tombstone stands before the object and goes with
   * the transaction that names it, so whatever dies in between leaves nothing. Errors: FILE_TYPE_NOT_ALLOWED (also what
   * cannot be decoded), DEPENDENCY_UNAVAILABLE.
   */
  async set(userId: string, photo: ReceivedPhoto, setter: PhotoSetter): Promise<PhotoLink> {
    const { tombstones, store } = this.#deps;
    const webp = await this.#convert(photo.bytes).finally(() => photo.release());
    const key = `users/${userId}/${newId()}`;
    await tombstones.intend(key, INTENT_SECONDS);
    await store.put(key, webp, { contentType: WEBP, sizeBytes: webp.length });
    if (await this.#name(userId, key, setter)) return this.#presign(key, setter.publicOrigin);
    await tombstones.intend(key, 0);
    throw busy();
  }

  /** A URL by which anybody may see the photo for an hour. Errors: PHOTO_NOT_FOUND. */
  async link(userId: string, publicOrigin: string): Promise<PhotoLink> {
    const key = await this.#deps.profiles.findPhotoKey(userId);
    if (key === null) throw new AppError('PHOTO_NOT_FOUND');
    return this.#presign(key, publicOrigin);
  }

  /** Errors: PHOTO_NOT_FOUND. */
  async delete(userId: string, actor: AuditActor, origin: AuditOrigin): Promise<void> {
    const { uow, profiles, tombstones, audit, clock } = this.#deps;
    await uow.run(async (tx) => {
      const oldKey = await profiles.replacePhoto(tx, userId, null, clock.now());
      if (!oldKey) throw new AppError('PHOTO_NOT_FOUND');
      await tombstones.add(tx, oldKey);
      await audit.append(tx, {
        action: 'user.photo_deleted',
        actor,
        origin,
        subject: { type: 'user', id: userId },
      });
    });
  }

  /** False when the put took so long that the object's removal has begun. */
  #name(userId: string, key: string, { actor, origin }: PhotoSetter): Promise<boolean> {
    const { uow, profiles, tombstones, audit, clock } = this.#deps;
    return uow.run(async (tx) => {
      if (!(await tombstones.fulfil(tx, key))) return false;
      const oldKey = await profiles.replacePhoto(tx, userId, key, clock.now());
      // Rolled back, the tombstone stands again.
      if (oldKey === undefined) throw new AppError('ACCOUNT_DELETION_PENDING');
      if (oldKey !== null) await tombstones.add(tx, oldKey);
      await audit.append(tx, {
        action: 'user.photo_changed',
        actor,
        origin,
        subject: { type: 'user', id: userId },
        metadata: { replaced: oldKey !== null },
      });
      return true;
    });
  }

  async #presign(key: string, publicOrigin: string): Promise<PhotoLink> {
    const { url } = await this.#deps.store.presignGet(key, {
      expiresInSeconds: LINK_SECONDS,
      contentType: WEBP,
      contentDisposition: 'inline; filename="photo.webp"',
      publicOrigin,
    });
    return { url, expiresIn: LINK_SECONDS };
  }

  async #convert(bytes: Buffer): Promise<Buffer> {
    try {
      return await this.#deps.images.toWebp(bytes, MAX_EDGE_PX);
    } catch (error) {
      if (error instanceof ImagesBusyError) throw busy(error);
      if (error instanceof ImageTypeError) throw notAllowed('A photo is a JPEG, PNG or WebP', error.seen, error);
      if (error instanceof ImageTooLargeError) {
        const message = 'The image has too many pixels for its kind; make it smaller, or a baseline JPEG';
        throw notAllowed(message, error.seen, error);
      }
      if (error instanceof BrokenImageError) {
        throw notAllowed('The image is broken, cut off, or has more than 50 million pixels', error.seen, error);
      }
      throw error;
    }
  }
}

function tooLarge(): AppError {
  return new AppError('FILE_TOO_LARGE', {
    message: 'A photo may have 5 MiB at most',
    details: { maxBytes: MAX_PHOTO_BYTES },
  });
}

function notAllowed(message: string, seen: string | null, cause: Error): AppError {
  return new AppError('FILE_TYPE_NOT_ALLOWED', { message, details: { seen, allowed: IMAGE_TYPES }, cause });
}

function oneIsComing(): AppError {
  return new AppError('RATE_LIMITED', {
    message: 'Another photo of yours is being taken in; wait for its answer',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

function busy(cause?: Error): AppError {
  return new AppError('DEPENDENCY_UNAVAILABLE', {
    message: 'Too many photos are being worked on; send it again',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}
