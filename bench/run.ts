// `npm run bench`: our figures beside limit programs, in one run, interleaved, medians of five. Writes bench/results/latest.md.
// Times on shared machines differ from run to run: what counts are the ratios.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Credentials, createApproved } from './key.ts';
import { loadReads, loadUploads, streamDown, streamUp, streamUpPresigned, streamUpTus } from './load.ts';
import { type Child, idleMemory, peakMemory, startLimit, startService } from './processes.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 5);
const STREAM_BYTES = Number(process.env['BENCH_STREAM_GIB'] ?? 2) * 1024 ** 3;
const CONCURRENCY = 64;
/** Only the cases whose name matches; all unless given. */
const ONLY = new RegExp(process.env['BENCH_ONLY'] ?? '');
const MIB = 1024 ** 2;
/** What is read and linked; uploaded first. */
const SMALL_FILE = 'bench-small.bin';

interface Case {
  readonly name: string;
  readonly unit: string;
  readonly goalPercent: number;
  readonly ours: () => Promise<number>;
  readonly limit: () => Promise<number>;
}

const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-'));
const children: Child[] = [];
try {
  const service = await startService(join(folder, 'data'));
  children.push(service);
  const key = await createApproved(service, { storageGB: 1000, objects: 1_000_000 });
  const files = join(folder, 'files');
  await mkdir(files);
  const environment = { BENCH_DATABASE_URL: service.databaseUrl, BENCH_DIRECTORY: files };
  const [bareRead, bareUpload, bareStream] = await Promise.all(
    ['bare-read', 'bare-upload', 'bare-stream'].map((name) => startLimit(name, environment)),
  );
  if (!bareRead || !bareUpload || !bareStream) throw new Error('a limit program did not start');
  children.push(bareRead, bareUpload, bareStream);

  await streamUp(`${service.url}/api/storage/upload?fileName=${SMALL_FILE}`, key.headers, 1024);
  const cases = smallCases(service, key, bareRead, bareUpload).filter(({ name }) => ONLY.test(name));
  // Before anything is counted, every program has run hot.
  for (const { ours, limit } of cases) for (const warm of [ours, limit]) await warm();
  const results = [];
  for (const each of cases) results.push(await measure(each));
  const idleMiB = await idleMemory(service);
  const memory = peakMemory(service);
  for (const each of streamCases(service, key, bareStream).filter(({ name }) => ONLY.test(name)))
    results.push(await measure(each));
  const peakMiB = memory.stop();
  await report(results, { idleMiB, peakMiB });
} finally {
  for (const child of children.reverse()) await child.stop();
  await rm(folder, { recursive: true, force: true });
}

function smallCases(service: Child, key: Credentials, bareRead: Child, bareUpload: Child): Case[] {
  const options = { headers: key.headers, connections: CONCURRENCY, seconds: SECONDS };
  return [
    {
      name: `API-key read of usage, c=${CONCURRENCY} / bare Express + one indexed SELECT`,
      unit: 'req/s',
      goalPercent: 50,
      ours: () => loadReads(`${service.url}/api/storage/usage`, options),
      limit: () => loadReads(`${bareRead.url}/usage`, options),
    },
    {
      name: `presigning a download, c=${CONCURRENCY} / our own API-key read`,
      unit: 'req/s',
      goalPercent: 70,
      ours: () => loadReads(`${service.url}/api/storage/files/${SMALL_FILE}`, options),
      limit: () => loadReads(`${service.url}/api/storage/usage`, options),
    },
    {
      name: `read of 1 KiB through the API, c=16 / our own API-key read, c=16`,
      unit: 'req/s',
      goalPercent: 0,
      ours: () => loadReads(`${service.url}/api/storage/files/${SMALL_FILE}/content`, { ...options, connections: 16 }),
      limit: () => loadReads(`${service.url}/api/storage/usage`, { ...options, connections: 16 }),
    },
    {
      name: `upload of 1 KiB by form, c=${CONCURRENCY} / bare Express + file with fsync + one UPDATE and INSERT`,
      unit: 'req/s',
      goalPercent: 50,
      ours: () => loadUploads(`${service.url}/api/storage/upload`, options),
      limit: () => loadUploads(`${bareUpload.url}/upload`, options),
    },
  ];
}

function streamCases(service: Child, key: Credentials, bare: Child): Case[] {
  const rate = async (seconds: Promise<number>) => STREAM_BYTES / MIB / (await seconds);
  const content = `${service.url}/api/storage/files/bench-stream.bin/content`;
  return [
    {
      name: `upload of ${STREAM_BYTES / 1024 ** 3} GiB by form / bare node:http writer with fsync`,
      unit: 'MiB/s',
      goalPercent: 60,
      ours: () =>
        rate(streamUp(`${service.url}/api/storage/upload?fileName=bench-stream.bin`, key.headers, STREAM_BYTES)),
      limit: () => rate(streamUp(`${bare.url}/`, {}, STREAM_BYTES)),
    },
    {
      name: `upload of ${STREAM_BYTES / 1024 ** 3} GiB by a presigned PUT / bare node:http writer with fsync`,
      unit: 'MiB/s',
      goalPercent: 70,
      ours: () => rate(streamUpPresigned(`${service.url}/api`, key.headers, STREAM_BYTES)),
      limit: () => rate(streamUp(`${bare.url}/`, {}, STREAM_BYTES)),
    },
    {
      name: `upload of ${STREAM_BYTES / 1024 ** 3} GiB by tus / bare node:http writer with fsync`,
      unit: 'MiB/s',
      goalPercent: 70,
      ours: () => rate(streamUpTus(`${service.url}/api`, key.headers, STREAM_BYTES)),
      limit: () => rate(streamUp(`${bare.url}/`, {}, STREAM_BYTES)),
    },
    {
      name: `download of ${STREAM_BYTES / 1024 ** 3} GiB / bare node:http reader`,
      unit: 'MiB/s',
      goalPercent: 80,
      ours: () => rate(streamDown(content, key.headers, STREAM_BYTES)),
      limit: () => rate(streamDown(`${bare.url}/`, {}, STREAM_BYTES)),
    },
  ];
}

interface Result {
  readonly name: string;
  readonly unit: string;
  readonly goalPercent: number;
  readonly ours: number;
  readonly limit: number;
  readonly percent: number;
}

async function measure({ name, unit, goalPercent, ours, limit }: Case): Promise<Result> {
  const pairs: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // Turn about, so that neither always runs on what the other has left behind.
    const first = round % 2 === 0 ? await ours() : await limit();
    const second = round % 2 === 0 ? await limit() : await ours();
    pairs.push(round % 2 === 0 ? [first, second] : [second, first]);
  }
  const oursMedian = median(pairs.map(([value]) => value));
  const limitMedian = median(pairs.map(([, value]) => value));
  const result = {
    name,
    unit,
    goalPercent,
    ours: oursMedian,
    limit: limitMedian,
    percent: (oursMedian / limitMedian) * 100,
  };
  console.log(
    `${result.percent.toFixed(0)} % (goal ${goalPercent} %)  ${oursMedian.toFixed(0)} / ${limitMedian.toFixed(0)} ${unit}  ${name}`,
  );
  return result;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function report(results: readonly Result[], memory: { idleMiB: number; peakMiB: number }): Promise<void> {
  const rows = results.map(
    ({ name, unit, ours, limit, percent, goalPercent }) =>
      `| ${name} | ${ours.toFixed(0)} ${unit} | ${limit.toFixed(0)} ${unit} | ${percent.toFixed(0)} % | ${goalPercent} % |`,
  );
  const text = [
    '# Last bench run',
    '',
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} cores (load program, database and server share them), disk store, embedded PostgreSQL, medians of ${ROUNDS}.`,
    '',
    '| case | Pockity | limit program | ratio | goal |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    `Memory (RSS): ${memory.idleMiB.toFixed(0)} MiB idle after the small cases, ${memory.peakMiB.toFixed(0)} MiB at the most while streaming.`,
    '',
  ].join('\n');
  await mkdir(join(import.meta.dirname, 'results'), { recursive: true });
  await writeFile(join(import.meta.dirname, 'results/latest.md'), text);
  console.log(text);
}
