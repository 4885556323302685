import { bytesOfGB, gbOfBytes, type KeyQuota } from './api-key.ts';
import { type Fault, invalid } from './key-faults.ts';
import type { KeyRequest } from './key-request.ts';

/** What an approval gives. */
export interface Grant {
  readonly storageGB: number;
  readonly objects: number;
}

/** What an approval says; what is undefined is as was asked for. */
export interface GrantWish {
  readonly grantedStorageGB: number | undefined;
  readonly grantedObjects: number | undefined;
}

type Asked = Pick<KeyRequest, 'requestedStorageGB' | 'requestedObjects'>;

/** VALIDATION_FAILED unless one of the limits is higher than it is now and none lower. Held against each other in bytes. */
export function assertRaises(present: KeyQuota, { requestedStorageGB, requestedObjects }: Asked): void {
  const bytes = bytesOfGB(requestedStorageGB) - present.maxBytes;
  const objects = requestedObjects - present.maxObjects;
  const faults: Fault[] = [];
  const presentGB = gbOfBytes(present.maxBytes);
  if (bytes < 0) faults.push({ path: 'requestedStorageGB', message: `must be at least what it is now (${presentGB})` });
  if (objects < 0) {
    faults.push({ path: 'requestedObjects', message: `must be at least what it is now (${present.maxObjects})` });
  }
  if (bytes === 0 && objects === 0) {
    faults.push({ path: 'requestedStorageGB', message: `this or the objects must be more than now (${presentGB})` });
    faults.push({ path: 'requestedObjects', message: `this or the GB must be more than now (${present.maxObjects})` });
  }
  if (faults.length > 0) throw invalid(...faults);
}

/** What is given: at most what was asked for, else VALIDATION_FAILED. */
export function grantOf(asked: Asked, wish: GrantWish): Grant {
  const { grantedStorageGB: storageGB = asked.requestedStorageGB, grantedObjects: objects = asked.requestedObjects } =
    wish;
  const faults: Fault[] = [];
  const message = (most: number) => `must be at most what was asked for (${most})`;
  if (storageGB > asked.requestedStorageGB) {
    faults.push({ path: 'grantedStorageGB', message: message(asked.requestedStorageGB) });
  }
  if (objects > asked.requestedObjects) {
    faults.push({ path: 'grantedObjects', message: message(asked.requestedObjects) });
  }
  if (faults.length > 0) throw invalid(...faults);
  return { storageGB, objects };
}

/**
 * The limits after an upgrade that grants this: never lower than now. A trimmed grant below the present limit is
 * VALIDATION_FAILED; all of what was asked for may lie below it, since an admin may have raised the quota meanwhile.
 */
export function raisedLimits(present: KeyQuota, asked: Asked, grant: Grant): Grant {
  const presentGB = gbOfBytes(present.maxBytes);
  const faults: Fault[] = [];
  const message = (least: number) => `must be at least what the key has now (${least})`;
  if (bytesOfGB(grant.storageGB) < Math.min(present.maxBytes, bytesOfGB(asked.requestedStorageGB))) {
    faults.push({ path: 'grantedStorageGB', message: message(presentGB) });
  }
  if (grant.objects < Math.min(present.maxObjects, asked.requestedObjects)) {
    faults.push({ path: 'grantedObjects', message: message(present.maxObjects) });
  }
  if (faults.length > 0) throw invalid(...faults);
  return {
    storageGB: bytesOfGB(grant.storageGB) < present.maxBytes ? presentGB : grant.storageGB,
    objects: Math.max(grant.objects, present.maxObjects),
  };
}

/** VALIDATION_FAILED for an end that has passed. */
export function assertFuture(expiresAt: Date | null | undefined, now: Date): void {
  if (!expiresAt || expiresAt > now) return;
  throw invalid({ path: 'expiresAt', message: 'must lie in the future (the one that was asked for may have passed)' });
}
