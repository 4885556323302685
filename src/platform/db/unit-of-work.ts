import { type Database, SLOW_QUERY_TIMEOUT_MS } from './database.ts';
import type { Prisma } from './generated/client.ts';

/** A transaction under way; services hand it from repository to repository and never look inside. */
export type Tx = Prisma.TransactionClient;

/**
 * Runs several repositories in one transaction: all of it happens or none.
 * Never call the object store, mail or any other network service from inside.
 */
export class UnitOfWork {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.prisma.$transaction(work, { maxWait: 10_000, timeout: 15_000 });
  }

  /** The same for what may change very many rows: it has two minutes, and two at once are under way in this process. */
  runSlow<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.slowPrisma.$transaction(work, { maxWait: 10_000, timeout: SLOW_QUERY_TIMEOUT_MS });
  }
}
