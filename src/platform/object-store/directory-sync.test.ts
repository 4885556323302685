import { describe, expect, it } from 'vitest';
import { DirectorySync } from './directory-sync.ts';

function controlled() {
  const begun: { directory: string; end: (error?: Error) => void }[] = [];
  const sync = new DirectorySync(
    (directory) =>
      new Promise((resolve, reject) => {
        begun.push({ directory, end: (error) => (error ? reject(error) : resolve()) });
      }),
  );
  return { sync, begun };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('DirectorySync', () => {
  it('lets all who come during one fsync share the next', async () => {
    const { sync, begun } = controlled();
    let answered = 0;
    const first = sync.sync('/a').then(() => answered++);
    const later = Array.from({ length: 50 }, () => sync.sync('/a').then(() => answered++));
    expect(begun).toHaveLength(1);
    begun[0]?.end();
    await first;
    await settle();
    expect(answered).toBe(1);
    expect(begun).toHaveLength(2);
    begun[1]?.end();
    await Promise.all(later);
    expect(answered).toBe(51);
    const last = sync.sync('/a');
    expect(begun).toHaveLength(3);
    begun[2]?.end();
    await last;
  });

  it('keeps directories apart', async () => {
    const { sync, begun } = controlled();
    const both = Promise.all([sync.sync('/a'), sync.sync('/b')]);
    expect(begun.map(({ directory }) => directory)).toEqual(['/a', '/b']);
    for (const { end } of begun) end();
    await both;
  });

  it('fails those whose fsync failed and nobody else', async () => {
    const { sync, begun } = controlled();
    const first = sync.sync('/a');
    const second = sync.sync('/a');
    begun[0]?.end(new Error('EIO'));
    await expect(first).rejects.toThrow('EIO');
    await settle();
    begun[1]?.end();
    await second;
  });
});
