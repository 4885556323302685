import { randomBytes } from 'node:crypto';
import type { Database } from '../../src/platform/db/database.ts';

/** An entry as a test writes it; what is left out is null or empty. */
export interface AuditRow {
  readonly id?: string;
  readonly action: string;
  readonly actorType?: string;
  readonly actorId?: string | null;
  readonly accessKeyId?: string | null;
  readonly subjectType?: string | null;
  readonly subjectId?: string | null;
  readonly ip?: string | null;
  readonly userAgent?: string | null;
  readonly requestId?: string | null;
  readonly metadata?: object;
  readonly createdAt?: Date;
}

/** A UUIDv7 as it would have been made at that time. */
export function idAt(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  const random = randomBytes(9).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

/** Writes entries with ids of their times; answers the ids in the order of the rows. */
export async function insertAuditRows(database: Database, rows: readonly AuditRow[]): Promise<string[]> {
  const data = rows.map(({ createdAt = new Date(), ...row }) => ({
    id: idAt(createdAt),
    actorType: 'user',
    ...row,
    metadata: { ...row.metadata },
    createdAt,
  }));
  await database.prisma.auditLog.createMany({ data });
  return data.map(({ id }) => id);
}
