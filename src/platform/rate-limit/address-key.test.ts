import { describe, expect, it } from 'vitest';
import { addressKey, ipAddressOf } from './address-key.ts';

describe('addressKey', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:1:3::1', '2001:db8:1:3::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    [null, 'unknown'],
  ])('counts %s as %s', (ip, key) => expect(addressKey(ip)).toBe(key));
});

describe('ipAddressOf', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['', null],
    ['unknown', null],
    ['_hidden', null],
    ['203.0.113.7:x', null],
    ['x'.repeat(6000), null],
    [undefined, null],
  ])('takes %s as %s', (text, ip) => expect(ipAddressOf(text)).toBe(ip));
});
