import type { Database } from '../../src/platform/db/database.ts';

/** As if the process had died after the effect and before its answer was kept. */
export async function losingAnswers<T>({ prisma }: Database, work: () => PromiseLike<T>): Promise<T> {
  await prisma.$executeRawUnsafe(`CREATE OR REPLACE FUNCTION test_lose() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'lost'; END $$`);
  await prisma.$executeRawUnsafe(`CREATE TRIGGER test_lose BEFORE UPDATE ON idempotency_keys FOR EACH ROW
    WHEN (NEW.reply IS NOT NULL) EXECUTE FUNCTION test_lose()`);
  try {
    return await work();
  } finally {
    await prisma.$executeRawUnsafe('DROP TRIGGER test_lose ON idempotency_keys');
  }
}
