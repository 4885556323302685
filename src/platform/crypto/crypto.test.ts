import { createHmac } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { AccessTokens } from './access-token.ts';
import { HasherBusyError, PasswordHasher, passwordFault } from './password-hasher.ts';
import { newAccessKeyId, newId, newOneTimeCode, newSecretKey } from './random.ts';
import { deriveKey, Sealer } from './seal.ts';

describe('AccessTokens', () => {
  const now = new Date('2026-11-21T09:00:00Z');
  const secret = 's'.repeat(32);
  const subject = { userId: newId(), sessionId: newId(), role: 'USER' } as const;
  const at = (seconds: number) => new AccessTokens(secret, { now: () => new Date(now.getTime() + seconds * 1000) });
  const token = at(0).issue(subject);

  it('issues tokens that are good for 15 minutes', () => {
    expect(at(899).verify(token)).toMatchObject({
      kind: 'valid',
      claims: { sub: subject.userId, sid: subject.sessionId, role: 'USER' },
    });
    expect(at(901).verify(token)).toEqual({ kind: 'expired' });
  });

  it('takes no token of another key, algorithm, form or content', () => {
    const claims = { sub: subject.userId, sid: subject.sessionId, role: 'ADMIN', iat: 1, exp: 9_999_999_999 };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const none = `${encode({ alg: 'none' })}.${encode(claims)}.`;
    const [header, , signature] = token.split('.');
    const forged = [
      none,
      jwt.sign(claims, 'another key'.repeat(4)),
      jwt.sign(claims, secret, { algorithm: 'HS512' }),
      `${header}.${encode(claims)}.${signature}`,
      jwt.sign({ ...claims, role: 'ROOT' }, secret),
      jwt.sign({ ...claims, sub: 'not an id' }, secret),
      jwt.sign('text', secret),
      `${encode({ alg: 'HS256' })}.${encode(claims)}.${createHmac('sha256', '').update('x').digest('base64url')}`,
      '',
      'a.b.c',
    ];
    for (const text of forged) expect(at(0).verify(text)).toEqual({ kind: 'invalid' });
  });
});

describe('Sealer', () => {
  const sealer = new Sealer(Buffer.alloc(32, 1));

  it('opens what it sealed, in its context alone', () => {
    const sealed = sealer.seal('the secret', 'row 1');
    expect(sealer.open(sealed, 'row 1')).toBe('the secret');
    expect(() => sealer.open(sealed, 'row 2')).toThrow();
    expect(() => new Sealer(Buffer.alloc(32, 2)).open(sealed, 'row 1')).toThrow();
    expect(() => sealer.open({ ...sealed, keyVersion: 2 }, 'row 1')).toThrow();
  });

  it('notices each flipped byte, and never seals alike', () => {
    const sealed = sealer.seal('the secret', 'row 1');
    for (let at = 0; at < sealed.bytes.length; at += 1) {
      const bytes = Buffer.from(sealed.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(() => sealer.open({ ...sealed, bytes }, 'row 1')).toThrow();
    }
    expect(sealer.seal('the secret', 'row 1').bytes.equals(sealed.bytes)).toBe(false);
  });

  it('derives another key for each purpose', () => {
    const root = Buffer.alloc(32, 3);
    expect(deriveKey(root, 'a').equals(deriveKey(root, 'b'))).toBe(false);
  });
});

describe('PasswordHasher', () => {
  it('tells right from wrong, and is false for an unknown account', async () => {
    const hasher = new PasswordHasher({ cost: 4, concurrency: 2, maxWaiting: 10 });
    const hash = await hasher.hash('correct horse');
    expect(await hasher.verify('correct horse', hash)).toBe(true);
    expect(await hasher.verify('wrong horse', hash)).toBe(false);
    expect(await hasher.verify('no password', null)).toBe(false);
  });

  it('refuses what would wait too long', async () => {
    const hasher = new PasswordHasher({ cost: 4, concurrency: 1, maxWaiting: 2 });
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => hasher.hash('x')));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(7);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(HasherBusyError);
  });

  it('knows what bcrypt would cut', () => {
    expect(passwordFault('x'.repeat(72))).toBeNull();
    expect(passwordFault('x'.repeat(73))).toContain('72');
    expect(passwordFault('é'.repeat(37))).toContain('72');
    expect(passwordFault('a\0b')).toContain('NUL');
  });
});

describe('random', () => {
  it('has the forms that are promised', () => {
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(newAccessKeyId()).toMatch(/^AKIA[A-Z2-7]{16}$/);
    expect(newSecretKey()).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(newOneTimeCode()).toMatch(/^\d{6}$/);
  });
});
