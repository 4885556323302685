import { describe, expect, it } from 'vitest';
import { databaseFault } from './errors.ts';

/** As Prisma throws what a raw query failed with. */
function raw(originalCode: string): Error {
  const adapterError = Object.assign(new Error('driver'), { cause: { originalCode, kind: 'postgres' } });
  return Object.assign(new Error('raw query failed'), { code: 'P2010', meta: { driverAdapterError: adapterError } });
}

describe('databaseFault', () => {
  it.each([
    ['a lost connection', Object.assign(new Error('x'), { code: '08006' }), 'unavailable'],
    ['a full disk', Object.assign(new Error('x'), { code: '53100' }), 'full'],
    ['a deadlock in a raw query', raw('40P01'), 'unavailable'],
    ['a unique index in a raw query', raw('23505'), 'unique'],
    ['a syntax error in a raw query', raw('42601'), 'other'],
    ['a unique index', Object.assign(new Error('x'), { code: 'P2002' }), 'unique'],
    ['a row that is not there', Object.assign(new Error('x'), { code: 'P2025' }), null],
    ['something else', new Error('x'), null],
  ])('knows %s', (_what, error, fault) => expect(databaseFault(error)).toBe(fault));
});
