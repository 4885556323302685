import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { StoreUnavailableError } from './errors.ts';
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
}

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
    const { condition, checksum } = this.#habits;
    const path = req.url ?? '';
    const isConditional = req.headers['if-none-match'] === '*';
    const expected = req.headers['x-amz-checksum-sha256'];
    if (isConditional && condition === 'unknown header') return answer(501);
    if (expected !== undefined && checksum === 'unknown header') return answer(403);
    if (isConditional && condition === 'at the beginning' && this.objects.has(path)) return answer(412);
    const body = await buffer(req).catch(() => null);
    if (!body) return;
    const digest = createHash('sha256').update(body).digest('base64');
    if (expected !== undefined && checksum === 'verified' && digest !== expected) return answer(400);
    if (isConditional && condition === 'at the end' && this.objects.has(path)) return answer(412);
    this.objects.set(path, body);
    answer(200);
  };
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
  return probeS3(store, async (key, options) => ({
    method: 'PUT',
    url: `http://127.0.0.1:${address.port}/${key}`,
    headers: signedHeaders(options),
    expiresAt: new Date(0),
  }));
}

describe('a store', () => {
  for (const [habits, conditionalPut, signedChecksum] of [
    [{ condition: 'at the end', checksum: 'verified' }, true, true],
    // The first of two PUTs at once would be replaced after it has been looked at.
    [{ condition: 'at the beginning', checksum: 'ignored' }, false, false],
    [{ condition: 'never', checksum: 'verified' }, false, true],
    [{ condition: 'unknown header', checksum: 'unknown header' }, false, false],
  ] as const) {
    it(`that looks for an object ${habits.condition}, checksum ${habits.checksum}`, async () => {
      const server = new HabitualServer(habits);
      expect(await probe(server.listener, server.objects)).toEqual({ conditionalPut, signedChecksum });
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
