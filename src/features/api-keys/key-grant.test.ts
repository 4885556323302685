import { describe, expect, it } from 'vitest';
import { AppError } from '../../errors/app-error.ts';
import { bytesOfGB, gbOfBytes } from './api-key.ts';
import { assertRaises, grantOf, raisedLimits } from './key-grant.ts';

/** What a tenth of a GB comes to: not a whole number of bytes. */
const TENTH = { maxBytes: bytesOfGB(0.1), maxObjects: 100 };

function faultsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return (error.details as { path: string }[]).map(({ path }) => path);
    throw error;
  }
  return [];
}

describe('assertRaises', () => {
  it.each([
    [0.1, 100, ['requestedStorageGB', 'requestedObjects']],
    [gbOfBytes(TENTH.maxBytes), 100, ['requestedStorageGB', 'requestedObjects']],
    [gbOfBytes(TENTH.maxBytes + 1), 100, []],
    [0.1, 101, []],
    [0.2, 99, ['requestedObjects']],
    [gbOfBytes(TENTH.maxBytes - 1), 101, ['requestedStorageGB']],
  ])('holds %d GB and %d objects against the quota in bytes', (requestedStorageGB, requestedObjects, paths) => {
    expect(faultsOf(() => assertRaises(TENTH, { requestedStorageGB, requestedObjects }))).toEqual(paths);
  });
});

describe('grantOf', () => {
  it('names every limit that is more than was asked for', () => {
    const asked = { requestedStorageGB: 1, requestedObjects: 10 };
    expect(grantOf(asked, { grantedStorageGB: undefined, grantedObjects: 5 })).toEqual({ storageGB: 1, objects: 5 });
    expect(faultsOf(() => grantOf(asked, { grantedStorageGB: 1.1, grantedObjects: 11 }))).toEqual([
      'grantedStorageGB',
      'grantedObjects',
    ]);
  });
});

describe('raisedLimits', () => {
  const asked = { requestedStorageGB: 0.2, requestedObjects: 200 };

  it('are what is granted', () => {
    expect(raisedLimits(TENTH, asked, { storageGB: 0.1, objects: 150 })).toEqual({ storageGB: 0.1, objects: 150 });
  });

  it('refuse less than the key has', () => {
    expect(faultsOf(() => raisedLimits(TENTH, asked, { storageGB: 0.09, objects: 99 }))).toEqual([
      'grantedStorageGB',
      'grantedObjects',
    ]);
  });

  it('stay what they are where that is more than was asked for meanwhile', () => {
    const raised = { maxBytes: bytesOfGB(0.5), maxObjects: 500 };
    expect(raisedLimits(raised, asked, { storageGB: 0.2, objects: 200 })).toEqual({ storageGB: 0.5, objects: 500 });
    expect(faultsOf(() => raisedLimits(raised, asked, { storageGB: 0.15, objects: 200 }))).toEqual([
      'grantedStorageGB',
    ]);
  });
});
