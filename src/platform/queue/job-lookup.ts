import type { Database } from '../db/database.ts';

/** As admins see jobs. */
export const LOOKED_UP_STATES = ['waiting', 'active', 'completed', 'failed'] as const;
export type LookedUpState = (typeof LOOKED_UP_STATES)[number];

const FIND = {
  name: 'job_lookup_find',
  text: `SELECT CASE state WHEN 'active' THEN 'active' WHEN 'completed' THEN 'completed'
      WHEN 'failed' THEN 'failed' WHEN 'cancelled' THEN 'failed' ELSE 'waiting' END AS state
    FROM pgboss.job WHERE name = $1 AND id = $2
    UNION ALL SELECT 'waiting' FROM job_outbox WHERE job = $1 AND id = $2 LIMIT 1`,
};

/** How a job stands whose id is known. */
export class JobLookup {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null where it is forgotten, or never was. */
  async find(name: string, id: string): Promise<LookedUpState | null> {
    const [row] = await this.#database.query<{ state: LookedUpState }>(FIND, [name, id]);
    return row?.state ?? null;
  }
}
