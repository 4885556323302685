// `node bench/media.ts`: what one file of each kind costs: time from spooled to answered, peak memory of the process with
// ffmpeg; and how far a bomb gets past the limit, with the kernel's help and without.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { mediaKindOf } from '../src/platform/media/media-kinds.ts';
import { MediaWorker } from '../src/platform/media/media-worker.ts';
import { pdfOf, pdfOfPages, pdfStream } from '../tests/support/pdf.ts';

const MIB = 1024 ** 2;
const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-media-'));
const run = promisify(execFile);

function noise(width: number, height: number) {
  const noisy = { type: 'gaussian', mean: 128, sigma: 20 } as const;
  return sharp({
    create: { width, height, channels: 3, background: '#888888', noise: noisy },
    limitInputPixels: false,
  });
}

async function video(name: string, ...codec: string[]): Promise<Buffer> {
  const source = ['-f', 'lavfi', '-i', 'testsrc=size=3840x2160:rate=30:duration=0.5'];
  await run('ffmpeg', ['-v', 'error', '-y', ...source, ...codec, '-pix_fmt', 'yuv420p', join(folder, name)]);
  return readFile(join(folder, name));
}

/** Drawing that unfolds to so much, packed twice. */
function pdfBomb(bytes: number): Buffer {
  const packed = deflateSync(deflateSync(Buffer.alloc(bytes, '0 0 9 9 re f\n'), { level: 1 }));
  const page = '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>';
  const [catalogue, pages] = ['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>'];
  return pdfOf([catalogue, pages, page, pdfStream(packed, '/Filter [/FlateDecode /FlateDecode]')]);
}

const FILES: readonly (readonly [what: string, type: string, make: () => Promise<Buffer>])[] = [
  ['JPEG, 64 pixels', 'image/jpeg', () => noise(8, 8).jpeg().toBuffer()],
  ['JPEG, 12 MP', 'image/jpeg', () => noise(4000, 3000).jpeg().toBuffer()],
  ['JPEG, 100 MP', 'image/jpeg', () => noise(10_000, 10_000).jpeg().toBuffer()],
  ['progressive JPEG, 16 MP', 'image/jpeg', () => noise(4600, 3600).jpeg({ progressive: true }).toBuffer()],
  ['PNG, 24 MP', 'image/png', () => noise(6000, 4000).png({ compressionLevel: 1 }).toBuffer()],
  ['interlaced PNG, 11 MP', 'image/png', () => noise(3400, 3400).png({ progressive: true }).toBuffer()],
  ['WebP, 25 MP', 'image/webp', () => noise(5000, 5000).webp({ effort: 0 }).toBuffer()],
  ['GIF, 11 MP', 'image/gif', () => noise(3400, 3400).gif({ effort: 1 }).toBuffer()],
  ['TIFF, 24 MP', 'image/tiff', () => noise(6000, 4000).tiff({ compression: 'lzw' }).toBuffer()],
  ['AVIF, 8 MP', 'image/avif', () => noise(3200, 2500).avif({ effort: 0 }).toBuffer()],
  ['PDF, a page', 'application/pdf', async () => pdfOfPages(['1 0 0 rg 0 0 99 99 re f'])],
  ['H.264, 4K', 'video/mp4', () => video('a.mp4', '-c:v', 'libx264')],
  ['HEVC, 4K', 'video/mp4', () => video('b.mp4', '-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1')],
  ['VP9, 4K', 'video/webm', () => video('c.webm', '-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8')],
  ['PDF of 512 MiB', 'application/pdf', async () => pdfBomb(512 * MIB)],
];

for (const path of [undefined, '/nowhere']) {
  console.log(path ? '\nwithout prlimit and ffmpeg' : 'with prlimit and ffmpeg');
  const log = {
    debug: (seen: { peakBytes: number; durationMs: number }) =>
      console.log(`${seen.durationMs} ms, ${Math.round(seen.peakBytes / MIB)} MiB`),
    warn: () => {},
  };
  const worker = new MediaWorker({ log, temporaryDirectory: folder, ...(path ? { path } : {}) });
  for (const [what, contentType, make] of FILES) {
    const kind = mediaKindOf(contentType) ?? 'image';
    const bytes = await make();
    process.stdout.write(`${what}: `);
    const open = async () => Readable.from([bytes]);
    await worker
      .process({ kind, contentType, sizeBytes: bytes.length, open })
      .catch((error) => console.log(String(error)));
  }
  await worker.stop();
}
await rm(folder, { recursive: true, force: true });
