import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Logger } from '../logging/logger.ts';
import { PrismaClient } from './generated/client.ts';

/** A statement that PostgreSQL plans once per connection; the name must be unique to its text. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly maxConnections: number;
  readonly log: Logger;
}

const QUERY_TIMEOUT_MS = 15_000;
/** Of the few statements that change very many rows at once; they have connections of their own. */
export const SLOW_QUERY_TIMEOUT_MS = 120_000;
const MAX_SLOW_CONNECTIONS = 2;
/** Of PostgreSQL: a statement took longer than it may. */
const QUERY_CANCELED = '57014';
const INT8 = 20;
const INT8_ARRAY = 1016;

/** Sizes and counts are int8 in the database and stay below 2^53, so they come as numbers. */
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return Number;
    if (oid === INT8_ARRAY) return (text: string) => text.slice(1, -1).split(',').map(Number);
    return pg.types.getTypeParser(oid, format ?? 'text');
  }) as typeof pg.types.getTypeParser,
};

/**
 * One pool of connections and the two ways to it: Prisma for what is read and written by rows, named prepared
 * statements for the few that every request runs or that must do several things at once (ADR 0002).
 */
export class Database {
  readonly prisma: PrismaClient;
  readonly #options: DatabaseOptions;
  readonly #pool: pg.Pool;
  #slow: { readonly pool: pg.Pool; readonly prisma: PrismaClient } | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#pool = openPool(options, QUERY_TIMEOUT_MS);
    this.prisma = new PrismaClient({ adapter: new PrismaPg(this.#pool) });
  }

  /** For what may take long: two connections beside the others, whose statements have two minutes. */
  get slowPrisma(): PrismaClient {
    if (!this.#slow) {
      const pool = openPool({ ...this.#options, maxConnections: MAX_SLOW_CONNECTIONS }, SLOW_QUERY_TIMEOUT_MS);
      this.#slow = { pool, prisma: new PrismaClient({ adapter: new PrismaPg(pool) }) };
    }
    return this.#slow.prisma;
  }

  /** Runs one statement and answers its rows; the caller names their shape. */
  async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const result = await this.#pool.query<Row>({ name: statement.name, text: statement.text, values: [...values] });
    return result.rows;
  }

  /**
   * Runs one statement that is planned for its values, by way of bitmaps only, in at most so long; null when that was not
   * enough. For what an index of many columns finds among very many rows, where statistics of all tenants say nothing of one.
   */
  async queryByBitmap<Row extends object>(
    text: string,
    values: readonly unknown[],
    timeoutMs: number,
  ): Promise<Row[] | null> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}; SET LOCAL enable_seqscan = off;
        SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL jit = off`);
      const { rows } = await client.query<Row>(text, [...values]);
      return rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === QUERY_CANCELED) return null;
      throw error;
    } finally {
      await client.query('ROLLBACK').catch((error: Error) => {
        broken = error;
      });
      client.release(broken);
    }
  }

  /** Throws when the database does not answer. */
  async ping(): Promise<void> {
    await this.#pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.prisma.$disconnect();
    await this.#pool.end();
    await this.#slow?.prisma.$disconnect();
    await this.#slow?.pool.end();
  }
}

function openPool({ url, maxConnections, log }: DatabaseOptions, timeoutMs: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // A connection that has silently died, or a database that hangs, must not hold requests for ever.
    query_timeout: timeoutMs,
    statement_timeout: timeoutMs,
    types,
  });
  // Without a listener, an idle connection that breaks would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection broke'));
  return pool;
}
