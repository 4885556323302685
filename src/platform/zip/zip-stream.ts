import { Readable } from 'node:stream';
import { makeZip } from 'client-zip';

/** One file of an archive: read to its end, or broken off, before the next one is asked for. */
export interface ZipEntry {
  /** Relative, `/` divides folders; see `ZipNames` for what unpackers bear. */
  readonly name: string;
  readonly modifiedAt: Date;
  readonly content: Readable | Uint8Array;
}

const END_BYTES = 22;
const MAX_COUNT = 0xffff;
/** What a ZIP's dates (MS-DOS) can say, with a day to spare for time zones. */
const EARLIEST = Date.UTC(1980, 0, 2);
const LATEST = Date.UTC(2107, 11, 30);

/**
 * Entries as one ZIP64 archive, stored and not compressed, with names in UTF-8. About 600 bytes of memory an entry are
 * kept for the directory at its end; of the contents only what is on its way. When an entry fails, or `makeEntries` does,
 * the stream fails without that directory, so that nothing takes it for whole. The signal says that nobody reads any
 * more, at once and also while an entry is waited for; however it ends, the entries are closed.
 */
export function zipStream(makeEntries: (signal: AbortSignal) => AsyncGenerator<ZipEntry>): Readable {
  const left = new AbortController();
  const chunks = archive(makeEntries(left.signal));
  // Not by Readable.from: that waits for what is under way before it tells anybody that the reader is gone.
  return new Readable({
    read() {
      chunks.next().then(
        ({ done, value }) => {
          if (!this.destroyed) this.push(done ? null : value);
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      left.abort();
      const closed = () => done(error);
      chunks.return(undefined).then(closed, closed);
    },
  });
}

async function* archive(entries: AsyncGenerator<ZipEntry>): AsyncGenerator<Uint8Array> {
  let count = 0;
  async function* counted() {
    for await (const { name, modifiedAt, content } of entries) {
      count += 1;
      yield { name, lastModified: storable(modifiedAt), input: content };
    }
  }
  try {
    let held: Uint8Array | null = null;
    for await (const chunk of makeZip(counted())) {
      if (held) yield held;
      held = chunk;
    }
    if (held) yield ending(held, count);
  } finally {
    // client-zip lets go of its source without closing it.
    await entries.return(undefined);
  }
}

function storable(date: Date): Date {
  return new Date(Math.min(Math.max(date.getTime(), EARLIEST), LATEST));
}

/**
 * client-zip writes the ZIP64 end of the directory for many bytes, but not for many entries, of which the plain one can
 * count 65,535: then it is put before it here (APPNOTE.TXT 4.3.14 and 4.3.15).
 */
function ending(plain: Uint8Array, count: number): Uint8Array {
  const end = Buffer.from(plain);
  if (end.length !== END_BYTES) throw new Error('the archive does not end as it should');
  const [directoryBytes, directoryStart] = [end.readUInt32LE(12), end.readUInt32LE(16)];
  // At 4 GiB of contents the library has written it.
  if (count < MAX_COUNT || directoryStart === 0xffffffff) return end;
  const wide = Buffer.alloc(56 + 20);
  wide.writeUInt32LE(0x06064b50, 0);
  wide.writeBigUInt64LE(44n, 4);
  wide.writeUInt16LE(45, 12);
  wide.writeUInt16LE(45, 14);
  wide.writeBigUInt64LE(BigInt(count), 24);
  wide.writeBigUInt64LE(BigInt(count), 32);
  wide.writeBigUInt64LE(BigInt(directoryBytes), 40);
  wide.writeBigUInt64LE(BigInt(directoryStart), 48);
  wide.writeUInt32LE(0x07064b50, 56);
  wide.writeBigUInt64LE(BigInt(directoryStart + directoryBytes), 64);
  wide.writeUInt32LE(1, 72);
  return Buffer.concat([wide, end]);
}
