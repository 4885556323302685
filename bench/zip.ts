// `node bench/zip.ts`: what ZIPs cost in memory and time, and whether `unzip` and Python take them: 10,000 files of 4 KiB,
// 70,000 empty ones, and a file past 4 GiB (sparse: it needs no room, the ZIP does). Ends with 1 if one is refused.
import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat, truncate } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import pg from 'pg';
import { type Credentials, createApproved } from './key.ts';
import { type Child, idleMemory, peakMemory, startService } from './processes.ts';

const MIB = 1024 ** 2;
const LARGE_BYTES = 4 * 1024 * MIB + 1;

const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-zip-'));
const service = await startService(join(folder, 'data'));
const client = new pg.Client({ connectionString: service.databaseUrl });
try {
  const key = await createApproved(service, { storageGB: 1000, objects: 1_000_000 });
  await client.connect();
  const limit = pLimit(32);
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => limit(() => upload(key, `small/${i}`, 4096))));
  await fillEmpty();
  await upload(key, 'large/file', 1);
  await makeLarge();
  for (const prefix of ['small/', 'small/', 'empty/', 'large/']) await measure(service, key, prefix);
} finally {
  await client.end();
  await service.stop();
  await rm(folder, { recursive: true, force: true });
}

async function upload(key: Credentials, fileName: string, sizeBytes: number): Promise<void> {
  const body = new FormData();
  body.append('file', new Blob([new Uint8Array(sizeBytes)]));
  const url = `${service.url}/api/storage/upload?fileName=${encodeURIComponent(fileName)}`;
  const reply = await fetch(url, { method: 'POST', headers: key.headers, body });
  if (!reply.ok) throw new Error(await reply.text());
  await reply.arrayBuffer();
}

/** Rows without objects: of nothing there is nothing to read. */
async function fillEmpty(): Promise<void> {
  await client.query(`INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags)
    SELECT id, space_id, 'empty/' || n, id::text, 0, repeat('a', 64), 'e', 'text/plain', 'document', '', '{}'
    FROM (SELECT gen_random_uuid() AS id, n, (SELECT id FROM spaces WHERE kind = 'KEY') AS space_id
      FROM generate_series(1, 70000) n) made`);
}

async function makeLarge(): Promise<void> {
  const { rows } = await client.query(
    `UPDATE files SET size_bytes = ${LARGE_BYTES} WHERE path = 'large/file' RETURNING object_key`,
  );
  await truncate(join(service.dataDirectory, 'objects', rows[0].object_key), LARGE_BYTES);
}

async function measure(child: Child, key: Credentials, prefix: string): Promise<void> {
  const path = join(folder, 'archive.zip');
  const idleMiB = await idleMemory(child);
  const memory = peakMemory(child);
  const startedAt = performance.now();
  await download(child, { key, prefix, path });
  const seconds = (performance.now() - startedAt) / 1000;
  const risen = memory.stop() - idleMiB;
  const { size } = await stat(path);
  console.log(
    `${prefix} ${(size / MIB).toFixed(1)} MiB in ${seconds.toFixed(1)} s (${(size / MIB / seconds).toFixed(0)} MiB/s), ${risen.toFixed(0)} MiB above idle (${idleMiB.toFixed(0)} MiB)`,
  );
  for (const [program, ...options] of [
    ['unzip', '-tqq'],
    ['python3', '-m', 'zipfile', '-t'],
  ] as const) {
    const { error, status, stdout, stderr } = spawnSync(program, [...options, path], { encoding: 'utf8' });
    console.log(`  ${program}: ${error ? 'is not there' : status === 0 ? 'takes it' : `${stdout}${stderr}`}`);
    if (!error && status !== 0) process.exitCode = 1;
  }
}

async function download(
  child: Child,
  { key, prefix, path }: { readonly key: Credentials; readonly prefix: string; readonly path: string },
): Promise<void> {
  const headers = { ...key.headers, 'content-type': 'application/json' };
  const req = request(`${child.url}/api/storage/files/zip`, { method: 'POST', headers });
  req.end(JSON.stringify({ prefix }));
  const [reply] = await new Promise<[import('node:http').IncomingMessage]>((resolve, reject) => {
    req.once('response', (res) => resolve([res]));
    req.once('error', reject);
  });
  if (reply.statusCode !== 200) throw new Error(`${reply.statusCode}`);
  await pipeline(reply, createWriteStream(path));
}
