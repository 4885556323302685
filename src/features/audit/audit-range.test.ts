import { describe, expect, it } from 'vitest';
import { newId } from '../../platform/crypto/random.ts';
import { idRangeOf } from './audit-range.ts';

const MINUTE = 60_000;

describe('idRangeOf', () => {
  it('is everything without times and cursor, and all below a cursor', () => {
    const id = newId();
    const all = idRangeOf({}, undefined);
    expect(all.from <= id && id < all.before).toBe(true);
    expect(idRangeOf({}, id.toUpperCase())).toEqual({ from: all.from, before: id });
  });

  it('holds the ids of the time and some minutes around it, no more', () => {
    const id = newId();
    const now = Date.now();
    const holds = (from: number, to: number) => {
      const range = idRangeOf({ from: new Date(now + from), to: new Date(now + to) }, undefined);
      return range.from <= id && id < range.before;
    };
    expect(holds(-MINUTE, MINUTE)).toBe(true);
    expect(holds(3 * MINUTE, 4 * MINUTE)).toBe(true);
    expect(holds(-4 * MINUTE, -3 * MINUTE)).toBe(true);
    expect(holds(6 * MINUTE, 60 * MINUTE)).toBe(false);
    expect(holds(-60 * MINUTE, -6 * MINUTE)).toBe(false);
  });

  it('takes the cursor or the time, whichever ends first', () => {
    const id = newId();
    expect(idRangeOf({ to: new Date(Date.now() + MINUTE) }, id).before).toBe(id);
    expect(idRangeOf({ to: new Date(0) }, id).before < id).toBe(true);
  });

  it('bears any time', () => {
    const range = idRangeOf({ from: new Date('0001-01-01T00:00:00Z'), to: new Date(8.64e15) }, undefined);
    expect(range.from).toBe('00000000-0000-0000-0000-000000000000');
    expect(range.before).toBe('ffffffff-ffff-0000-0000-000000000000');
  });
});
