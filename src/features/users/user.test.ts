import { describe, expect, it } from 'vitest';
import { comparisonKey, emailFault, usernameFault } from './user.ts';

describe('comparisonKey', () => {
  it.each([
    ['  Ada@Example.COM ', 'ada@example.com'],
    ['ÄNNE@example.com', 'änne@example.com'],
    ['A\u0308nne@example.com', 'änne@example.com'],
    ['\u212Aelvin@example.com', 'kelvin@example.com'],
  ])('%j is compared as %j', (text, key) => {
    expect(comparisonKey(text)).toBe(key);
  });
});

describe('emailFault', () => {
  it.each(['a@example.com', 'a.b+c@sub.example.co.uk', 'admin@localhost', 'änne@bücher.example', "o'hara@x.io"])(
    'takes %s',
    (email) => {
      expect(emailFault(email)).toBeNull();
    },
  );

  it.each([
    '',
    'a',
    'a@',
    '@example.com',
    'a@b@example.com',
    'a b@example.com',
    'a@example',
    'a@-example.com',
    'a@example..com',
    'a..b@example.com',
    'a@example.com\r\nBcc: b@example.com',
    'a\u0000@example.com',
    'a@example.com,b@example.com',
    'Ada <a@example.com>',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b'.repeat(250)}.com`,
  ])('refuses %j', (email) => {
    expect(emailFault(email)).not.toBeNull();
  });

  it('answers a hostile text at once', () => {
    const startedAt = performance.now();
    emailFault(`a@${'a-'.repeat(120)}`);
    emailFault(`a@${'a.'.repeat(120)}!`);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});

describe('usernameFault', () => {
  it.each(['ada', 'Ada_L.', 'a-b', 'x'.repeat(32)])('takes %s', (username) => {
    expect(usernameFault(username)).toBeNull();
  });

  it.each(['', 'ab', 'x'.repeat(33), 'a b c', 'ada@example.com', 'änne', 'abc\n'])('refuses %j', (username) => {
    expect(usernameFault(username)).not.toBeNull();
  });
});
