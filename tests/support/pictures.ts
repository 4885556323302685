import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { emptyPng } from './png.ts';

const run = promisify(execFile);

/** A JPEG of one colour, as a camera of this name would have taken it. */
export function photo({ width = 800, height = 400, colour = '#c04020', camera = '' } = {}): Promise<Buffer> {
  const image = sharp({ create: { width, height, channels: 3, background: colour } });
  const [make = '', ...model] = camera.split(' ');
  return (camera === '' ? image : image.withExif({ IFD0: { Make: make, Model: model.join(' ') } })).jpeg().toBuffer();
}

/** Some hundred kilobytes that claim 400 million pixels. */
export function bomb(): Buffer {
  return emptyPng({ width: 20_000, height: 20_000, depth: 1, colour: 'grey' });
}

/** A second of a test picture. */
export async function video(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'pockity-video-'));
  try {
    const file = join(folder, 'clip.mp4');
    const source = ['-f', 'lavfi', '-i', 'testsrc=duration=1:size=320x240:rate=10'];
    await run('ffmpeg', ['-v', 'error', '-y', ...source, '-pix_fmt', 'yuv420p', file]);
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One white page of A4. */
export function pdf(): Buffer {
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>',
  ];
  let text = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const at = text.length;
    text += `${i + 1} 0 obj${object}endobj\n`;
    return at;
  });
  const table = offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  return Buffer.from(
    `${text}xref\n0 ${size}\n0000000000 65535 f \n${table}trailer<</Size ${size}/Root 1 0 R>>\nstartxref\n${text.length}\n%%EOF`,
  );
}
