import { describe, expect, it } from 'vitest';
import { silentLogger } from '../logging/logger.ts';
import { StoreUnavailableError } from './errors.ts';
import { ProbedStore } from './probed-store.ts';

const ALL = { conditionalPut: true, signedChecksum: true, refusesUnsigned: true };
const NOTHING = { conditionalPut: false, signedChecksum: false, refusesUnsigned: false };

describe('ProbedStore', () => {
  it('relies on nothing until the store has answered, and asks again while that is away', async () => {
    let asked = 0;
    const probe = async () => {
      asked += 1;
      if (asked < 3) throw new StoreUnavailableError('away');
      return ALL;
    };
    const probed = new ProbedStore({ probe }, silentLogger(), { retryMs: 1 });
    expect(probed.capabilities).toEqual(NOTHING);
    await Promise.all([probed.start(), probed.start()]);
    expect(asked).toBe(3);
    expect(probed.capabilities).toEqual(ALL);
    await probed.start();
    expect(asked).toBe(3);
  });

  it('stops asking when told to', async () => {
    const probe = async () => {
      throw new StoreUnavailableError('away');
    };
    const probed = new ProbedStore({ probe }, silentLogger(), { retryMs: 60_000 });
    const asking = probed.start();
    probed.stop();
    await asking;
    expect(probed.capabilities).toEqual(NOTHING);
  });
});
