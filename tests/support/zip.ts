import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** One entry as the directory of an archive has it, its content checked. */
export interface ZippedFile {
  readonly name: string;
  readonly content: Buffer;
}

/** People's programs, each told to test a whole archive. */
const PROGRAMS = [
  ['unzip', '-tqq'],
  ['python3', '-m', 'zipfile', '-t'],
  ['bsdtar', '-tf'],
] as const;

/** Reads an archive strictly: every count, offset, length, flag and checksum must be right. Throws where one is not. */
export function readZip(zip: Buffer): ZippedFile[] {
  const end = zip.length - 22;
  if (end < 0 || zip.readUInt32LE(end) !== 0x06054b50) throw new Error('the archive has no end');
  let [count, bytes, start] = [zip.readUInt16LE(end + 10), zip.readUInt32LE(end + 12), zip.readUInt32LE(end + 16)];
  const isWide = end >= 20 && zip.readUInt32LE(end - 20) === 0x07064b50;
  if (isWide) {
    const wide = Number(zip.readBigUInt64LE(end - 12));
    if (zip.readUInt32LE(wide) !== 0x06064b50) throw new Error('the ZIP64 end is not where it should be');
    [count, bytes, start] = [32, 40, 48].map((offset) => Number(zip.readBigUInt64LE(wide + offset))) as [
      number,
      number,
      number,
    ];
  } else if (count === 0xffff) throw new Error('more entries than the end can count');
  const files: ZippedFile[] = [];
  let at = start;
  for (; files.length < count; ) {
    if (zip.readUInt32LE(at) !== 0x02014b50) throw new Error(`entry ${files.length} is not where it should be`);
    const [nameBytes, extraBytes] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)];
    if ((zip.readUInt16LE(at + 8) & 0x800) === 0) throw new Error('a name is not marked as UTF-8');
    const name = zip.toString('utf8', at + 46, at + 46 + nameBytes);
    const [size, local] = [zip.readUInt32LE(at + 24), zip.readUInt32LE(at + 42)];
    if (zip.readUInt32LE(local) !== 0x04034b50) throw new Error(`${name} does not begin where it should`);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const content = zip.subarray(from, from + size);
    if (crc32(content) !== zip.readUInt32LE(at + 16)) throw new Error(`${name} has another checksum`);
    files.push({ name, content });
    at += 46 + nameBytes + extraBytes;
  }
  if (at !== start + bytes) throw new Error('the directory has another length');
  return files;
}

/** What people's programs, as far as they are installed, have to say against an archive. */
export function complaints(zip: Buffer): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'pockity-zip-'));
  try {
    const path = join(folder, 'archive.zip');
    writeFileSync(path, zip);
    return PROGRAMS.flatMap(([program, ...options]) => {
      const { error, status, stdout, stderr } = spawnSync(program, [...options, path], { encoding: 'utf8' });
      return error || status === 0 ? [] : [`${program}: ${stdout}${stderr}`];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
