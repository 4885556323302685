import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LockRows, UploadLocks } from './upload-locks.ts';

const never = new Promise<never>(() => undefined);

/** Rows of a database that answers, or from some time on does not. */
class Rows implements LockRows {
  answers = true;
  looks = 0;

  lock = async () => true;
  ask = async () => undefined;
  unlock = async () => undefined;

  look: LockRows['look'] = (locks) => {
    this.looks += 1;
    return this.answers ? Promise.resolve(locks.map(({ uploadId: id }) => ({ id, asked: false }))) : never;
  };

  renew = async () => {
    if (!this.answers) await never;
  };
}

describe('a lock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function hold() {
    const rows = new Rows();
    const lock = await new UploadLocks(rows, pino({ level: 'silent' })).acquire('space', 'upload', async () => true);
    if (!lock) throw new Error('it was free');
    return { rows, lock };
  }

  it('is held for as long as the database says so', async () => {
    const { lock } = await hold();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lock.isLost).toBe(false);
    expect(lock.signal.aborted).toBe(false);
    await lock.release();
  });

  it('is lost when the database has not said so for as long as another needs to take it', async () => {
    const { rows, lock } = await hold();
    await vi.advanceTimersByTimeAsync(30_500);
    rows.answers = false;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(lock.isLost).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(lock.isLost).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(lock.signal.aborted).toBe(true);
    await lock.release();
  });

  it('is looked at once at a time, and again after a look that was not answered', async () => {
    const { rows, lock } = await hold();
    rows.answers = false;
    await vi.advanceTimersByTimeAsync(2_500);
    expect(rows.looks).toBe(1);
    rows.answers = true;
    await vi.advanceTimersByTimeAsync(1_400);
    expect(rows.looks).toBe(1);
    await lock.release();
  });
});
