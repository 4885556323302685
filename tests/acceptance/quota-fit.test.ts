import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Account, createKey, signUp } from '../support/client-accounts.ts';
import { FORM_TYPE, formOf } from '../support/client-raw.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let owner: Account;
beforeAll(async () => {
  owner = await signUp(service);
});

const PREAMBLES: [string, string][] = [
  ['a preamble with a blank line', 'This is a message\r\nof several parts.\r\n\r\nIgnore this.\r\n'],
  ['a preamble that begins like a delimiter', '--pockity-acceptance-boundaryish\r\n\r\ntext\r\n'],
  ['a preamble that names the delimiter', 'not --pockity-acceptance-boundary\r\n\r\ntext\r\n'],
];
const EPILOGUES: [string, string][] = [
  ['an epilogue of a line', 'that was it\r\n'],
  ['an epilogue of 4000 bytes', 'x'.repeat(4000)],
];
const FORMS = [
  ...PREAMBLES.map(([what, text]) => [what, text, ''] as const),
  ...EPILOGUES.map(([what, text]) => [what, '', text] as const),
  ['both', PREAMBLES[0]?.[1] ?? '', EPILOGUES[0]?.[1] ?? ''] as const,
];

describe.each([1000, 100_000, 3_000_000])('a form with a file of %i bytes', (size) => {
  test.each(FORMS)('and %s is taken where the file fits to the byte', async (_what, preamble, epilogue) => {
    const key = await createKey(service, owner, { bytes: size });
    const send = (content: Buffer) => {
      const form = formOf([{ name: 'file', fileName: 'a', content }]);
      return key.client.request('POST', '/storage/upload', {
        body: new Uint8Array(Buffer.concat([Buffer.from(preamble), form, Buffer.from(epilogue)])),
        headers: { 'content-type': FORM_TYPE },
      });
    };
    expect((await send(randomBytes(size + 1))).outcome).toBe('413 QUOTA_EXCEEDED');
    expect((await key.client.usage()).usage).toMatchObject({ bytesUsed: 0, bytesReserved: 0 });
    const content = randomBytes(size);
    expect((await send(content)).outcome).toBe('201');
    expect((await key.client.bytes('a')).equals(content)).toBe(true);
    expect((await key.client.usage()).usage).toMatchObject({ bytesUsed: size, bytesReserved: 0 });
    // A replacement by as much fits as well.
    expect((await send(content)).outcome).toBe('201');
  });
});
