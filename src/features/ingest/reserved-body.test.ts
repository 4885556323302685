import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../errors/app-error.ts';
import { ByteBudget } from '../../platform/object-store/byte-budget.ts';
import { ReservedBody } from './reserved-body.ts';

const CHUNK = 64 * 1024;

/** Runs `bytes` through a body for which `reservedBytes` are held and that may grow by `room`. */
async function send(
  bytes: number,
  reservedBytes: number,
  room: number,
  options: { maxBytes?: number; budgetBytes?: number } = {},
) {
  const budget = new ByteBudget(options.budgetBytes ?? 64 * 1024 * 1024);
  const asked: number[] = [];
  let left = room;
  const body = new ReservedBody({
    reservedBytes,
    maxBytes: options.maxBytes ?? Number.MAX_SAFE_INTEGER,
    budget,
    grow: async (more) => {
      asked.push(more);
      if (more > left) throw new AppError('QUOTA_EXCEEDED');
      left -= more;
    },
  });
  const content = Buffer.alloc(bytes, 5);
  const source = Readable.from(
    (function* () {
      for (let at = 0; at < bytes; at += CHUNK) yield content.subarray(at, at + CHUNK);
    })(),
  );
  source.on('error', () => undefined);
  const outcome = await buffer(source.pipe(body)).then(
    (received) => ({ received, sha256: body.sha256() }),
    (error: unknown) => ({ error }),
  );
  return {
    outcome,
    asked,
    heldBytes: budget.heldBytes,
    sizeBytes: body.sizeBytes,
    expected: createHash('sha256').update(content).digest('hex'),
  };
}

describe('ReservedBody', () => {
  it('passes what is reserved without asking, counted and hashed', async () => {
    const { outcome, asked, expected, sizeBytes } = await send(300_000, 300_000, 0);
    expect(asked).toEqual([]);
    expect(sizeBytes).toBe(300_000);
    expect(outcome).toMatchObject({ sha256: expected });
  });

  it('asks for exactly what comes beyond, a mebibyte at a time', async () => {
    const bytes = 3 * 1024 * 1024 + 7;
    const { outcome, asked, heldBytes } = await send(bytes, CHUNK, bytes - CHUNK);
    expect(asked.reduce((sum, more) => sum + more, 0)).toBe(bytes - CHUNK);
    expect(asked.length).toBeLessThanOrEqual(4);
    expect('received' in outcome && outcome.received.length).toBe(bytes);
    expect(heldBytes).toBe(0);
  });

  it('stops at the byte too many, and gives its memory back', async () => {
    const bytes = 2 * 1024 * 1024;
    const { outcome, heldBytes } = await send(bytes, CHUNK, bytes - CHUNK - 1);
    expect(outcome).toMatchObject({ error: { code: 'QUOTA_EXCEEDED' } });
    expect(heldBytes).toBe(0);
  });

  it('gathers nothing when the process has no memory to spare, and still asks exactly', async () => {
    const bytes = 10 * CHUNK;
    const { asked } = await send(bytes, 0, bytes, { budgetBytes: 0 });
    expect(asked).toEqual(Array.from({ length: 10 }, () => CHUNK));
  });

  it('refuses what is larger than any file may be', async () => {
    const { outcome } = await send(CHUNK + 1, CHUNK + 1, 0, { maxBytes: CHUNK });
    expect(outcome).toMatchObject({ error: { code: 'FILE_TOO_LARGE', details: { maxBytes: CHUNK } } });
  });
});
