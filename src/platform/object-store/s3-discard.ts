import pLimit from 'p-limit';
import type { DeleteOutcome } from './object-store.ts';
import { tailKey } from './s3-append.ts';
import type { S3Multiparts } from './s3-multipart.ts';

/** S3 lists the open uploads of one key, or of all: there is no asking for several. */
const LISTINGS_AT_ONCE = 8;

/** See `ObjectStore.discardTemporary`: a listing for each key, and one call for the tails of all. */
export async function discardOnS3(
  multiparts: S3Multiparts,
  keys: readonly string[],
  deleteTails: (tails: readonly string[]) => Promise<readonly DeleteOutcome[]>,
): Promise<readonly DeleteOutcome[]> {
  const limit = pLimit(LISTINGS_AT_ONCE);
  const aborted = await Promise.all(keys.map((key) => limit(() => abortAll(multiparts, key))));
  // The tails last: an append that is still at it must not come upon a part whose tail is gone.
  const whole = aborted.filter(({ deleted }) => deleted).map(({ key }) => key);
  const tails = await deleteTails(whole.map(tailKey));
  const ofTail = new Map(whole.map((key, index) => [key, tails[index]]));
  return aborted.map((outcome) => ({ ...(ofTail.get(outcome.key) ?? outcome), key: outcome.key }));
}

async function abortAll(multiparts: S3Multiparts, key: string): Promise<DeleteOutcome> {
  try {
    for (const { uploadId } of await multiparts.listOpen(key)) await multiparts.abort(key, uploadId);
    return { key, deleted: true };
  } catch (error) {
    return { key, deleted: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
