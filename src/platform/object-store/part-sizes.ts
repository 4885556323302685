const MIB = 1024 * 1024;
const FIRST_PART_BYTES = 8 * MIB;
const PARTS_OF_A_SIZE = 1000;
const MIN_PART_BYTES = 5 * MIB;
const MAX_PARTS = 10_000;
/** The parts from here on hold 6 TiB, so those before may be small. */
const LAST_SMALL_PART = 8000;
const SMALL_PART_SHARE = 16;

/**
 * Size of part `partNumber` (1..10,000) of an upload whose length nobody knows: 8 MiB, doubling every 1000 parts. The
 * first 8 GiB stay in parts that memory can hold, and 10,000 parts reach 7.8 TiB, more than S3's 5 TiB an object.
 */
export function partSizeBytes(partNumber: number): number {
  return FIRST_PART_BYTES * 2 ** Math.floor((partNumber - 1) / PARTS_OF_A_SIZE);
}

/**
 * The least that the end of a request must have to become part `partNumber` and not a tail, which the next request
 * reads back and sends again: what lets 10,000 parts still reach the object's end, or 5 TiB where that is not known.
 */
export function leastPartBytes(partNumber: number, remainingBytes: number | null): number {
  const full = partSizeBytes(partNumber);
  if (remainingBytes === null) {
    return partNumber > LAST_SMALL_PART ? full : Math.max(MIN_PART_BYTES, full / SMALL_PART_SHARE);
  }
  const evenShare = Math.ceil(remainingBytes / Math.max(1, MAX_PARTS + 1 - partNumber));
  return Math.min(full, Math.max(MIN_PART_BYTES, evenShare));
}
