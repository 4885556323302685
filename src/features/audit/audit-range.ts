import { firstIdOf } from '../../platform/crypto/random.ts';
import type { AuditFilter } from './audit-log.ts';

/** How far the clocks of a process and of the database, and the start and the end of a transaction, may lie apart. */
const TOLERANCE_MS = 5 * 60_000;
const AFTER_ALL_IDS = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Ids from `from` on and below `before`. */
export interface IdRange {
  readonly from: string;
  readonly before: string;
}

/**
 * Where entries of a time, below a cursor, can lie. Ids are UUIDv7 (RFC 9562 section 5.7), which begin with the time, so
 * that a time long ago is found without passing what came after it. The range is some minutes too wide: `created_at` decides.
 */
export function idRangeOf({ from, to }: Pick<AuditFilter, 'from' | 'to'>, cursor: string | undefined): IdRange {
  const end = to === undefined ? AFTER_ALL_IDS : firstIdOf(to.getTime() + TOLERANCE_MS);
  // Lower case, UUIDs compare as texts as they do in the database.
  const position = cursor?.toLowerCase() ?? AFTER_ALL_IDS;
  return {
    from: firstIdOf(from === undefined ? 0 : from.getTime() - TOLERANCE_MS),
    before: position < end ? position : end,
  };
}
