// `TUS_GIB=5 node bench/tus.ts`: one large upload by tus-js-client through a proxy that cuts it ten times. Says how long it took,
// whether what is stored is what was sent, and how much memory the service took beyond its idle state.
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BodyCuttingProxy } from '../tests/support/body-cutting-proxy.ts';
import { uploadByTusJs } from '../tests/support/tus-js.ts';
import { createApproved } from './key.ts';
import { idleMemory, peakMemory, startService } from './processes.ts';

const MIB = 1024 ** 2;
const SIZE_BYTES = Number(process.env['TUS_GIB'] ?? 1) * 1024 ** 3;
const CUTS = Number(process.env['TUS_CUTS'] ?? 10);

/** Writes a file of which no two mebibytes are equal; answers its SHA-256. */
async function makeFile(path: string, sizeBytes: number): Promise<string> {
  const file = await open(path, 'w');
  const hash = createHash('sha256');
  const block = randomBytes(MIB);
  for (let at = 0; at < sizeBytes; at += MIB) {
    block.writeUInt32BE(at / MIB, 0);
    const piece = block.subarray(0, Math.min(MIB, sizeBytes - at));
    hash.update(piece);
    await file.write(piece);
  }
  await file.close();
  return hash.digest('hex');
}

async function hashOf(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(url, { headers });
  const hash = createHash('sha256');
  if (response.body) await pipeline(response.body, hash);
  return hash.digest('hex');
}

const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-tus-'));
const service = await startService(join(folder, 'data'));
// Of the same length, so that they spread over the whole file.
const share = SIZE_BYTES / (CUTS + 1);
const proxy = await BodyCuttingProxy.start(
  Number(new URL(service.url).port),
  Array.from({ length: CUTS }, () => Math.floor(share)),
);
try {
  const key = await createApproved(service, { storageGB: 100, objects: 100 });
  const sent = await makeFile(join(folder, 'source'), SIZE_BYTES);
  const idleMiB = await idleMemory(service);
  const memory = peakMemory(service);
  const startedAt = performance.now();
  const { retries } = await uploadByTusJs(createReadStream(join(folder, 'source')), {
    endpoint: `http://127.0.0.1:${proxy.port}/api/uploads/tus`,
    headers: key.headers,
    fileName: 'large.bin',
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const peakMiB = memory.stop();
  const name = `${service.url}/api/storage/files/large.bin`;
  const { data } = (await (await fetch(`${name}/metadata`, { headers: key.headers })).json()) as {
    data: { file: { size: number; checksumSha256: string } };
  };
  const stored = await hashOf(`${name}/content`, key.headers);
  const lines = {
    gib: SIZE_BYTES / 1024 ** 3,
    cuts: proxy.cuts,
    retries,
    seconds: Math.round(seconds * 10) / 10,
    mibPerSecond: Math.round(SIZE_BYTES / MIB / seconds),
    idleMiB: Math.round(idleMiB),
    growthMiB: Math.round(peakMiB - idleMiB),
    recordedSha256: data.file.checksumSha256 === sent ? 'right' : `wrong: ${data.file.checksumSha256}`,
    storedSha256: stored === sent ? 'right' : 'wrong',
  };
  console.table(lines);
  if (stored !== sent || data.file.checksumSha256 !== sent || data.file.size !== SIZE_BYTES) process.exitCode = 1;
} finally {
  await proxy.stop();
  await service.stop();
  await rm(folder, { recursive: true, force: true });
}
