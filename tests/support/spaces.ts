import { newAccessKeyId, newId } from '../../src/platform/crypto/random.ts';
import type { Database } from '../../src/platform/db/database.ts';

/** A space with nothing in it. */
export interface TestSpace {
  readonly id: string;
  readonly prefix: string;
  readonly ownerId: string;
}

/** A pocket of a user made for it, with this quota. */
export async function createTestSpace(
  database: Database,
  quota: { bytes: number; objects: number },
): Promise<TestSpace> {
  const ownerId = newId();
  const id = newId();
  const prefix = `apikeys/${newAccessKeyId()}/`;
  const email = `${ownerId}@example.com`;
  await database.prisma.user.create({ data: { id: ownerId, email, emailKey: email, passwordHash: 'none' } });
  await database.prisma.space.create({
    data: { id, kind: 'KEY', ownerId, prefix, quotaBytes: BigInt(quota.bytes), quotaObjects: BigInt(quota.objects) },
  });
  return { id, prefix, ownerId };
}

/** The space's counters, and what rows and reservations add up to: the two must agree at every instant. */
export async function auditSpace(database: Database, spaceId: string) {
  const [row] = await database.query<Record<string, number>>(
    {
      name: 'test_audit_space',
      text: `SELECT s.used_bytes, s.used_objects, s.reserved_bytes, s.reserved_objects, s.quota_bytes, s.quota_objects,
          (SELECT coalesce(sum(size_bytes), 0)::bigint FROM files f WHERE f.space_id = s.id) AS file_bytes,
          (SELECT count(*) FROM files f WHERE f.space_id = s.id) AS file_count,
          (SELECT coalesce(sum(delta_bytes), 0)::bigint FROM usage_entries u WHERE u.space_id = s.id) AS ledger_bytes,
          (SELECT coalesce(sum(delta_objects), 0)::bigint FROM usage_entries u WHERE u.space_id = s.id) AS ledger_objects,
          (SELECT coalesce(sum(reserved_bytes), 0)::bigint FROM uploads u WHERE u.space_id = s.id) AS upload_bytes,
          (SELECT count(*) FROM uploads u WHERE u.space_id = s.id) AS upload_count
        FROM spaces s WHERE s.id = $1`,
    },
    [spaceId],
  );
  if (!row) throw new Error('no such space');
  const of = (name: string) => row[name] ?? Number.NaN;
  return {
    usedBytes: of('used_bytes'),
    usedObjects: of('used_objects'),
    reservedBytes: of('reserved_bytes'),
    reservedObjects: of('reserved_objects'),
    uploads: of('upload_count'),
    consistent:
      of('used_bytes') === of('file_bytes') &&
      of('used_objects') === of('file_count') &&
      of('used_bytes') === of('ledger_bytes') &&
      of('used_objects') === of('ledger_objects') &&
      of('reserved_bytes') === of('upload_bytes'),
  };
}
