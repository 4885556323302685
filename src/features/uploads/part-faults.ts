import type { MultipartPart } from '../../platform/object-store/object-store.ts';
import { partCountOf, partLengthOf } from './part-plan.ts';

/** How many are told of; who has more than that to mend asks again. */
const MAX_TOLD = 100;

/** What is wrong with a part of a completion. */
export interface PartFault {
  readonly partNumber: number;
  readonly reason: 'not named' | 'not uploaded' | 'of another size' | 'another etag' | 'no part of this upload';
}

/** Holds the parts that a completion names, by ascending number, against those that the store has; the first 100 faults. */
export function partFaults(
  { sizeBytes, partBytes }: { readonly sizeBytes: number; readonly partBytes: number },
  named: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  stored: readonly MultipartPart[],
): PartFault[] {
  const count = partCountOf(sizeBytes, partBytes);
  const wanted = new Map(named.map((part) => [part.partNumber, part]));
  const there = new Map(stored.map((part) => [part.partNumber, part]));
  const faults: PartFault[] = [];
  for (let partNumber = 1; partNumber <= count && faults.length < MAX_TOLD; partNumber += 1) {
    const part = there.get(partNumber);
    const name = wanted.get(partNumber);
    if (!part) faults.push({ partNumber, reason: 'not uploaded' });
    else if (part.sizeBytes !== partLengthOf(sizeBytes, partBytes, partNumber)) {
      faults.push({ partNumber, reason: 'of another size' });
    } else if (!name) faults.push({ partNumber, reason: 'not named' });
    else if (name.etag !== part.etag) faults.push({ partNumber, reason: 'another etag' });
  }
  const beyond = [...new Set([...wanted.keys(), ...there.keys()])].filter((partNumber) => partNumber > count);
  faults.push(...beyond.map((partNumber) => ({ partNumber, reason: 'no part of this upload' }) as const));
  return faults.slice(0, MAX_TOLD);
}
