import { newAccessKeyId, newId } from '../../src/platform/crypto/random.ts';
import type { Database } from '../../src/platform/db/database.ts';

/** A space with nothing in it. */
export interface TestSpace {
  readonly id: string;
  readonly prefix: string;
  readonly ownerId: string;
}

/** What a space keeps of deleted and replaced files; as the server does unless told. */
export interface TestSpaceSettings {
  readonly kind?: 'KEY' | 'DRIVE';
  readonly trashDays?: number | null;
  readonly versionsKept?: number;
  /** What follows the kind in the prefix; random unless told. */
  readonly name?: string;
}

/** A space of a user made for it, with this quota; a pocket unless told. */
export async function createTestSpace(
  database: Database,
  quota: { bytes: number; objects: number },
  { kind = 'KEY', trashDays = null, versionsKept = 0, name = newAccessKeyId() }: TestSpaceSettings = {},
): Promise<TestSpace> {
  const ownerId = newId();
  const id = newId();
  const prefix = kind === 'KEY' ? `apikeys/${name}/` : `users/${ownerId}/`;
  const email = `${ownerId}@example.com`;
  const limits = { quotaBytes: BigInt(quota.bytes), quotaObjects: BigInt(quota.objects) };
  await database.prisma.user.create({ data: { id: ownerId, email, emailKey: email, passwordHash: 'none' } });
  await database.prisma.space.create({ data: { id, kind, ownerId, prefix, ...limits, trashDays, versionsKept } });
  return { id, prefix, ownerId };
}

/** What the rows of a space add up to, beside the counters that must say the same. */
const SUMS = {
  used_bytes: `(SELECT coalesce(sum(size_bytes), 0) FROM files WHERE space_id = $1) + (SELECT coalesce(sum(size_bytes), 0) FROM file_versions WHERE space_id = $1)`,
  used_objects: `(SELECT count(*) FROM files WHERE space_id = $1) + (SELECT count(*) FROM file_versions WHERE space_id = $1)`,
  trash_bytes: `(SELECT coalesce(sum(size_bytes), 0) FROM files WHERE space_id = $1 AND deleted_at IS NOT NULL)`,
  trash_objects: `(SELECT count(*) FROM files WHERE space_id = $1 AND deleted_at IS NOT NULL)`,
  version_bytes: `(SELECT coalesce(sum(size_bytes), 0) FROM file_versions WHERE space_id = $1)`,
  version_objects: `(SELECT count(*) FROM file_versions WHERE space_id = $1)`,
  reserved_bytes: `(SELECT coalesce(sum(reserved_bytes), 0) FROM uploads WHERE space_id = $1) + (SELECT coalesce(sum(held_bytes), 0) FROM reservations WHERE space_id = $1)`,
  reserved_objects: `(SELECT coalesce(sum(reserved_objects), 0) FROM uploads WHERE space_id = $1) + (SELECT coalesce(sum(held_objects), 0) FROM reservations WHERE space_id = $1)`,
  folder_count: `(SELECT count(*) FROM folders WHERE space_id = $1)`,
} as const;

/** The same sums once more, by the byte ledger and by the rollups; each must equal the counter that it names. */
const MIRRORS = {
  'ledger of bytes': ['used_bytes', `SELECT sum(delta_bytes) FROM usage_entries WHERE space_id = $1`],
  'ledger of objects': ['used_objects', `SELECT sum(delta_objects) FROM usage_entries WHERE space_id = $1`],
  'ledger of the trash': ['trash_bytes', `SELECT sum(delta_trash_bytes) FROM usage_entries WHERE space_id = $1`],
  'ledger of versions': ['version_bytes', `SELECT sum(delta_version_bytes) FROM usage_entries WHERE space_id = $1`],
  'days by bytes': ['used_bytes', `SELECT sum(added_bytes - removed_bytes) FROM usage_daily WHERE space_id = $1`],
  'days by objects': [
    'used_objects',
    `SELECT sum(added_objects - removed_objects) FROM usage_daily WHERE space_id = $1`,
  ],
} as const;

const AUDIT_SPACE = {
  name: 'test_audit_space',
  text: `SELECT s.*, (SELECT count(*) FROM uploads WHERE space_id = $1) AS uploads,
    ${Object.entries(SUMS).map(([name, sum]) => `(${sum})::bigint AS "sum ${name}"`)},
    ${Object.entries(MIRRORS).map(([name, [, sum]]) => `coalesce((${sum}), 0)::bigint AS "${name}"`)},
    (SELECT count(*) FROM (
      (SELECT category, count(*) AS files, sum(size_bytes) AS bytes FROM files WHERE space_id = $1 AND deleted_at IS NULL GROUP BY category
       EXCEPT SELECT category, files, bytes FROM space_categories WHERE space_id = $1)
      UNION ALL
      (SELECT category, files, bytes FROM space_categories WHERE space_id = $1 AND (files <> 0 OR bytes <> 0)
       EXCEPT SELECT category, count(*), sum(size_bytes) FROM files WHERE space_id = $1 AND deleted_at IS NULL GROUP BY category)
    ) differing) AS "differing categories",
    (SELECT count(*) FROM folders f LEFT JOIN folders p ON p.id = f.parent_id
     WHERE f.space_id = $1 AND coalesce(p.path, '') <> path_parent(f.path)) AS "misplaced folders",
    (SELECT count(*) FROM files f WHERE f.space_id = $1 AND f.deleted_at IS NULL AND path_parent(f.path) <> '' AND s.kind = 'DRIVE'
     AND NOT EXISTS (SELECT 1 FROM folders p WHERE p.space_id = $1 AND p.path = path_parent(f.path))) AS "files without a folder",
    (SELECT count(*) FROM object_tombstones t WHERE EXISTS (SELECT 1 FROM files f WHERE f.object_key = t.object_key)
     OR EXISTS (SELECT 1 FROM file_versions v WHERE v.object_key = t.object_key)
     OR EXISTS (SELECT 1 FROM file_media m, jsonb_each(m.thumbnails) n WHERE m.space_id = $1 AND n.value->>'key' = t.object_key)) AS "buried alive",
    (SELECT count(*) FROM file_media m WHERE m.space_id = $1 AND NOT EXISTS (SELECT 1 FROM files f WHERE f.object_key = m.object_key AND f.space_id = $1)
     AND NOT EXISTS (SELECT 1 FROM file_versions v WHERE v.object_key = m.object_key AND v.space_id = $1)) AS "media of no content",
    (SELECT count(*) FROM files f WHERE f.space_id = $1 AND f.has_thumbnails
     <> EXISTS (SELECT 1 FROM file_media m WHERE m.object_key = f.object_key AND m.thumbnails <> '{}')) AS "wrong word of thumbnails"
    FROM spaces s WHERE s.id = $1`,
};

/** Must be 0. */
const ODDITIES = [
  'differing categories',
  'misplaced folders',
  'files without a folder',
  'buried alive',
  'media of no content',
  'wrong word of thumbnails',
];

const NAMED_OBJECTS = {
  name: 'test_named_objects',
  text: `SELECT object_key, size_bytes, sha256 FROM files WHERE space_id = $1
    UNION ALL SELECT object_key, size_bytes, sha256 FROM file_versions WHERE space_id = $1
    UNION ALL SELECT t.value->>'key', (t.value->>'sizeBytes')::int8, NULL
      FROM file_media m CROSS JOIN LATERAL jsonb_each(m.thumbnails) t WHERE m.space_id = $1`,
};

/** All that rows of a space name in the store: contents of files and versions, and thumbnails, which have no checksum. */
export function namedObjects(database: Database, spaceId: string) {
  return database.query<{ readonly object_key: string; readonly size_bytes: number; readonly sha256: string | null }>(
    NAMED_OBJECTS,
    [spaceId],
  );
}

/**
 * The space's counters, and whether rows, reservations, byte ledger and rollups add up to them, as they must at every
 * instant: `faults` names what does not.
 */
export async function auditSpace(database: Database, spaceId: string) {
  const [row] = await database.query<Record<string, number>>(AUDIT_SPACE, [spaceId]);
  if (!row) throw new Error('no such space');
  const of = (name: string) => row[name] ?? Number.NaN;
  const faults = [
    ...Object.keys(SUMS).filter((name) => of(name) !== of(`sum ${name}`)),
    ...Object.entries(MIRRORS).flatMap(([name, [counter]]) => (of(name) === of(counter) ? [] : [name])),
    ...ODDITIES.filter((name) => of(name) !== 0),
  ];
  return {
    usedBytes: of('used_bytes'),
    usedObjects: of('used_objects'),
    reservedBytes: of('reserved_bytes'),
    reservedObjects: of('reserved_objects'),
    trashBytes: of('trash_bytes'),
    trashObjects: of('trash_objects'),
    versionBytes: of('version_bytes'),
    versionObjects: of('version_objects'),
    folders: of('folder_count'),
    uploads: of('uploads'),
    faults,
    consistent: faults.length === 0,
  };
}
