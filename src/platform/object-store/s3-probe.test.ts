import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { StoreUnavailableError } from './errors.ts';
import type { PresignPutOptions } from './object-store.ts';
import { probeS3 } from './s3-probe.ts';
import { signedHeaders } from './signed-headers.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Habits {
  /** When the server looks whether there is an object. */
  readonly condition: 'at the end' | 'at the beginning' | 'never' | 'unknown header';
  readonly checksum: 'verified' | 'ignored' | 'unknown header';
  /** What it does with a header that nobody signed. */
  readonly stray: 'refused' | 'obeyed' | 'ignored' | 'refused but obeyed';
}

const STRAY = ['x-amz-copy-source', 'x-amz-acl', 'x-amz-meta-probe'];

/** Servers as they are found: what no S3 at hand does. */
class HabitualServer {
  readonly objects = new Map<string, Buffer>();
  readonly #habits: Habits;

  constructor(habits: Habits) {
    this.#habits = habits;
  }

  readonly listener = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const answer = (status: number): void => {
      res.statusCode = status;
      res.end();
    };
    const { condition, checksum, stray } = this.#habits;
    const path = req.url ?? '';
    const isConditional = req.headers['if-none-match'] === '*';
    const expected = req.headers['x-amz-checksum-sha256'];
    const isStray = STRAY.some((name) => req.headers[name] !== undefined);
    if (isStray && stray === 'refused') return answer(403);
    if (isConditional && condition === 'unknown header') return answer(501);
    if (expected !== undefined && checksum === 'unknown header') return answer(403);
    if (isConditional && condition === 'at the beginning' && this.objects.has(path)) return answer(412);
    const body = await buffer(req).catch(() => null);
    if (!body) return;
    const digest = createHash('sha256').update(body).digest('base64');
    if (expected !== undefined && checksum === 'verified' && digest !== expected) return answer(400);
    if (isConditional && condition === 'at the end' && this.objects.has(path)) return answer(412);
    const source = stray === 'ignored' ? undefined : req.headers['x-amz-copy-source'];
    this.objects.set(path, source === undefined ? body : this.#copied(String(source)));
    answer(isStray && stray === 'refused but obeyed' ? 403 : 200);
  };

  #copied(source: string): Buffer {
    const bytes = this.objects.get(source.replace('/bucket/', '/'));
    if (!bytes) throw new Error('copied from nowhere');
    return bytes;
  }
}

async function probe(listener: RequestListener, objects: Map<string, Buffer> = new Map()) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => void server.close().closeAllConnections());
  const address = server.address();
  if (!address || typeof address === 'string') throw new Error('no port');
  const toHead = (key: string, bytes: Buffer) => ({
    key,
    sizeBytes: bytes.byteLength,
    etag: 'e',
    lastModified: new Date(0),
  });
  const store = {
    ping: async () => {},
    head: async (key: string) => {
      const bytes = objects.get(`/${key}`);
      return bytes ? toHead(key, bytes) : null;
    },
    get: async (key: string) => {
      const bytes = objects.get(`/${key}`) ?? Buffer.alloc(0);
      return { head: toHead(key, bytes), body: Readable.from([bytes]) };
    },
    deleteMany: async (keys: readonly string[]) => {
      for (const key of keys) objects.delete(`/${key}`);
      return keys.map((key) => ({ key, deleted: true }) as const);
    },
  };
  const sign = async (key: string, options: PresignPutOptions) => ({
    method: 'PUT' as const,
    url: `http://127.0.0.1:${address.port}/${key}`,
    headers: signedHeaders(options),
    expiresAt: new Date(0),
  });
  return probeS3(store, sign, 'bucket');
}

describe('a store', () => {
  for (const [habits, conditionalPut, signedChecksum, refusesUnsigned] of [
    [{ condition: 'at the end', checksum: 'verified', stray: 'refused' }, true, true, true],
    [{ condition: 'at the end', checksum: 'ignored', stray: 'obeyed' }, true, false, false],
    [{ condition: 'at the end', checksum: 'ignored', stray: 'ignored' }, true, false, false],
    [{ condition: 'at the end', checksum: 'ignored', stray: 'refused but obeyed' }, true, false, false],
    // The first of two PUTs at once would be replaced after it has been looked at.
    [{ condition: 'at the beginning', checksum: 'ignored', stray: 'refused' }, false, false, true],
    [{ condition: 'never', checksum: 'verified', stray: 'obeyed' }, false, true, false],
    [{ condition: 'unknown header', checksum: 'unknown header', stray: 'refused' }, false, false, true],
  ] as const) {
    it(`that looks for an object ${habits.condition}, checksum ${habits.checksum}, stray headers ${habits.stray}`, async () => {
      const server = new HabitualServer(habits);
      expect(await probe(server.listener, server.objects)).toEqual({ conditionalPut, signedChecksum, refusesUnsigned });
      expect(server.objects.size).toBe(0);
    });
  }

  it('that fails has said nothing', async () => {
    const failing: RequestListener = (req, res) => {
      req.resume();
      res.statusCode = 503;
      res.end();
    };
    await expect(probe(failing)).rejects.toThrow(StoreUnavailableError);
    await expect(probe((req) => void req.destroy())).rejects.toThrow(StoreUnavailableError);
  });
});
