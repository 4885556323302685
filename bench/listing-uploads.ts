import type pg from 'pg';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../src/features/audit/index.ts';
import { LedgerRepository } from '../src/features/ledger/index.ts';
import { newId } from '../src/platform/crypto/random.ts';
import type { Database } from '../src/platform/db/database.ts';
import { SPACES } from './listing-data.ts';

const FILES = 20_000;
const BATCH = 50;
const ROUNDS = 1;
/** What `file_indexes` adds for lists, besides what was there before in another form. */
const ADDED = [
  'files_listed_filters',
  'files_listed_folder_path',
  'files_listed_folder_uploaded_at',
  'files_listed_folder_size_bytes',
];

/** 20,000 uploads reserved and committed by the ledger in batches, with and without the indexes; rows of a table. */
export async function measureUploads(database: Database, client: pg.Client): Promise<string[]> {
  const withAll = await medianRate(database);
  const { rows } = await client.query<{ indexdef: string }>(
    'SELECT indexdef FROM pg_indexes WHERE indexname = ANY($1)',
    [ADDED],
  );
  const [gin] = rows.filter(({ indexdef }) => indexdef.includes('gin'));
  await client.query('DROP INDEX files_listed_filters');
  const withoutGin = await medianRate(database);
  for (const name of ADDED.slice(1)) await client.query(`DROP INDEX ${name}`);
  const without = await medianRate(database);
  if (!gin) throw new Error('there was no index of filters');
  const shown = (rate: number) => `${rate.toFixed(0)} files/s | ${((rate / without) * 100).toFixed(0)} %`;
  return [
    `Reserved and committed by the ledger's functions, ${FILES} files in batches of ${BATCH}, ${ROUNDS} round each.`,
    '',
    '| indexes | rate | of none |',
    '|---|---|---|',
    `| all | ${shown(withAll)} |`,
    `| without files_filters (GIN) | ${shown(withoutGin)} |`,
    `| without that and the three by folder | ${shown(without)} |`,
  ];
}

async function medianRate(database: Database): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rates.push(await rate(new LedgerRepository(database)));
  return rates.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
}

async function rate(ledger: LedgerRepository): Promise<number> {
  const run = newId();
  const startedAt = performance.now();
  for (let done = 0; done < FILES; done += BATCH) {
    const items = Array.from({ length: BATCH }, (_, i) => {
      const uploadId = newId();
      return { uploadId, path: `photos/${run}/${done % 7}/picture-${done + i}.jpg`, objectKey: uploadId };
    });
    await ledger.reserve(
      SPACES.uploads,
      items.map((item) => ({ ...item, conflict: 'replace', contentType: 'image/jpeg', bytes: 1000 })),
      600,
    );
    await ledger.commit(
      SPACES.uploads,
      items.map(({ uploadId, path, objectKey }) => ({
        ...{
          uploadId,
          objectKey,
          stem: path.slice(0, -4),
          suffix: '.jpg',
          sizeBytes: 1000,
          sha256: 'a'.repeat(64),
          etag: 'e',
        },
        ...{ contentType: 'image/jpeg', category: 'image', extension: 'jpg', tags: ['cats', 'year=2026'] },
        record: {
          reason: 'upload',
          action: 'file.upload',
          actor: SYSTEM_ACTOR,
          origin: SYSTEM_ORIGIN,
        },
      })),
    );
  }
  return FILES / ((performance.now() - startedAt) / 1000);
}
