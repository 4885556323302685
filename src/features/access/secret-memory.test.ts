import { describe, expect, it, vi } from 'vitest';
import { SecretMemory } from './secret-memory.ts';

describe('SecretMemory', () => {
  it('asks once for a secret, right or wrong, and once for questions that arrive together', async () => {
    const memory = new SecretMemory();
    const check = vi.fn(async () => true);
    expect(await Promise.all([1, 2, 3].map(() => memory.verify('secret', 'hash', check)))).toEqual([true, true, true]);
    expect(memory.verify('secret', 'hash', check)).toBe(true);
    expect(check).toHaveBeenCalledTimes(1);
    const deny = vi.fn(async () => false);
    expect(await memory.verify('wrong', 'hash', deny)).toBe(false);
    expect(memory.verify('wrong', 'hash', deny)).toBe(false);
    expect(deny).toHaveBeenCalledTimes(1);
  });

  it('knows nothing of the same secret under another hash', async () => {
    const memory = new SecretMemory();
    await memory.verify('secret', 'hash 1', async () => true);
    const check = vi.fn(async () => false);
    expect(await memory.verify('secret', 'hash 2', check)).toBe(false);
    expect(check).toHaveBeenCalledTimes(1);
  });

  it('does not remember a check that failed', async () => {
    const memory = new SecretMemory();
    await expect(memory.verify('secret', 'hash', () => Promise.reject(new Error('busy')))).rejects.toThrow('busy');
    expect(await memory.verify('secret', 'hash', async () => true)).toBe(true);
  });

  it('forgets after a minute', async () => {
    let now = 1000;
    const memory = new SecretMemory(() => now);
    const check = vi.fn(async () => true);
    await memory.verify('secret', 'hash', check);
    now += 59_000;
    expect(memory.verify('secret', 'hash', check)).toBe(true);
    now += 3_000;
    await memory.verify('secret', 'hash', check);
    expect(check).toHaveBeenCalledTimes(2);
  });
});
