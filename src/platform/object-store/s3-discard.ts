import pLimit from 'p-limit';
import type { DeleteOutcome } from './object-store.ts';
import type { S3Appends } from './s3-append.ts';
import type { S3Multiparts } from './s3-multipart.ts';

/** S3 lists the open uploads of one key, or of all: there is no asking for several. */
const KEYS_AT_ONCE = 8;

/** See `ObjectStore.discardTemporary`: a listing of open uploads and one of checkpoints for each key. */
export function discardOnS3(
  { multiparts, appends }: { readonly multiparts: S3Multiparts; readonly appends: S3Appends },
  keys: readonly string[],
): Promise<readonly DeleteOutcome[]> {
  const limit = pLimit(KEYS_AT_ONCE);
  return Promise.all(
    keys.map((key) =>
      limit(async (): Promise<DeleteOutcome> => {
        try {
          for (const { uploadId } of await multiparts.listOpen(key)) await multiparts.abort(key, uploadId);
          // These last: an append that is still at it must not come upon a part whose checkpoint is gone.
          await appends.discard(key);
          return { key, deleted: true };
        } catch (error) {
          return { key, deleted: false, reason: error instanceof Error ? error.message : String(error) };
        }
      }),
    ),
  );
}
