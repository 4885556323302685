import { createHash, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ClaimedKey, signUpAndGetKey } from '../support/client-accounts.ts';
import { type Answer, type FileView, pathOf, type UsageView } from '../support/client-api.ts';
import { FORM_TYPE, formOf } from '../support/client-raw.ts';
import { HEADS } from '../support/content-heads.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService();
let key: ClaimedKey;
beforeAll(async () => {
  key = await signUpAndGetKey(service);
});

describe('an upload', () => {
  test('answers the file as it is stored, and the usage right after', async () => {
    const content = Buffer.concat([HEADS.pdf, randomBytes(70_000 - HEADS.pdf.length)]);
    const before = await key.client.usage();
    const { status, data, headers } = await key.client.upload('docs/report.PDF', content, {
      type: 'application/pdf',
      tags: ' work, year = 2026,',
    });
    expect(status).toBe(201);
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(data.file).toMatchObject({
      fileName: 'docs/report.PDF',
      size: 70_000,
      contentType: 'application/pdf',
      category: 'document',
      extension: 'pdf',
      checksumSha256: sha256,
      status: 'READY',
      tags: ['work', 'year=2026'],
    });
    expect(data.file.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
    expect(Math.abs(Date.parse(data.file.uploadedAt) - Date.now())).toBeLessThan(60_000);
    expect(data.usage.bytesUsed).toBe(before.usage.bytesUsed + 70_000);
    expect(data.usage.objects).toBe(before.usage.objects + 1);
    const { quota } = await key.client.usage();
    expect(headers.get('x-quota-bytes-remaining')).toBe(String(quota.maxBytes - data.usage.bytesUsed));
    expect(headers.get('x-quota-objects-remaining')).toBe(String(quota.maxObjects - data.usage.objects));
    expect(await key.client.bytes('docs/report.PDF')).toEqual(content);
  });

  test('may be empty', async () => {
    const { data } = await key.client.upload('empty.txt', '');
    expect(data.file.size).toBe(0);
    expect(data.file.checksumSha256).toBe(createHash('sha256').digest('hex'));
    expect(await key.client.bytes('empty.txt')).toEqual(Buffer.alloc(0));
  });

  test.each([1, 65_535, 65_536, 65_537, 1_048_576, 5_242_881])('of %i bytes comes back byte for byte', async (size) => {
    const content = randomBytes(size);
    expect((await key.client.upload(`sizes/${size}`, content)).data.file.size).toBe(size);
    expect((await key.client.bytes(`sizes/${size}`)).equals(content)).toBe(true);
  });

  test('takes its name from the form when the query gives none, folders included', async () => {
    const body = formOf([{ name: 'file', fileName: 'from/the form/ä.txt', type: 'text/plain', content: 'hello' }]);
    const answer = await key.client.request<{ file: FileView }>('POST', '/storage/upload', {
      body,
      headers: { 'content-type': FORM_TYPE },
    });
    expect(answer.data.file).toMatchObject({ fileName: 'from/the form/ä.txt', contentType: 'text/plain', size: 5 });
  });

  test('by a browser’s FormData goes through as it is', async () => {
    const body = new FormData();
    body.set('file', new File(['hello'], 'résumé 1.txt', { type: 'text/plain' }));
    const answer = await key.client.request<{ file: FileView }>('POST', '/storage/upload', { body });
    expect(answer.data.file.fileName).toBe('résumé 1.txt');
  });

  test('whose type says nothing gets that of its name', async () => {
    expect((await key.client.upload('pic.png', HEADS.png)).data.file).toMatchObject({
      contentType: 'image/png',
      category: 'image',
    });
    expect((await key.client.upload('blob', 'x')).data.file).toMatchObject({
      contentType: 'application/octet-stream',
      category: 'other',
      extension: '',
    });
  });
});

describe('a taken name', () => {
  test('is replaced unless told otherwise: same file, new content, the difference in usage', async () => {
    const first = await key.client.upload('replace.txt', 'one', { tags: 'kept' });
    const second = await key.client.upload('replace.txt', 'second', { conflict: 'replace' });
    expect(second.data.file).toMatchObject({ id: first.data.file.id, size: 6, tags: ['kept'] });
    expect(second.data.usage.bytesUsed - first.data.usage.bytesUsed).toBe(3);
    expect(second.data.usage.objects).toBe(first.data.usage.objects);
    expect((await key.client.bytes('replace.txt')).toString()).toBe('second');
    const third = await key.client.upload('replace.txt', '3', { tags: 'other' });
    expect(third.data.file.tags).toEqual(['other']);
  });

  test('is kept beside the new file with conflict=keepBoth, numbered before the ending', async () => {
    const uploads: Answer<{ file: FileView; usage: UsageView }>[] = [];
    for (const text of ['0', '1', '2']) {
      uploads.push(await key.client.upload('both/photo.v2.txt', text, { conflict: 'keepBoth' }));
    }
    const names = uploads.map(({ data }) => data.file.fileName);
    expect(names).toEqual(['both/photo.v2.txt', 'both/photo.v2 (1).txt', 'both/photo.v2 (2).txt']);
    for (const [i, name] of names.entries()) expect((await key.client.bytes(name)).toString()).toBe(String(i));
  });

  test('is refused with conflict=fail, and nothing changes', async () => {
    const first = await key.client.upload('fail.txt', 'first', { conflict: 'fail' });
    expect(first.status).toBe(201);
    const refused = await key.client.upload('fail.txt', 'second', { conflict: 'fail' });
    expect(refused.outcome).toBe('409 FILE_EXISTS');
    expect(refused.error.details).toMatchObject({ id: first.data.file.id, fileName: 'fail.txt' });
    expect((await key.client.bytes('fail.txt')).toString()).toBe('first');
    expect((await key.client.usage()).usage).toMatchObject({ bytesUsed: first.data.usage.bytesUsed, bytesReserved: 0 });
  });

  test.each([
    ['fail', { '201': 1, '409 FILE_EXISTS': 9 }, 1],
    ['replace', { '201': 10 }, 1],
    ['keepBoth', { '201': 10 }, 10],
  ] as const)('taken by ten at once with conflict=%s gives one answer to each', async (conflict, expected, files) => {
    const folder = `at-once/${conflict}/`;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => key.client.upload(`${folder}x.txt`, `content ${i}`, { conflict })),
    );
    const counts: Record<string, number> = {};
    for (const { outcome } of answers) counts[outcome] = (counts[outcome] ?? 0) + 1;
    expect(counts).toEqual(expected);
    const listed = await key.client.listAll({ prefix: folder });
    expect(listed.files).toHaveLength(files);
    for (const { fileName, checksumSha256 } of listed.files) {
      const bytes = await key.client.bytes(fileName);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(checksumSha256);
    }
  });
});

describe('a name', () => {
  const names = [
    'with space.txt',
    'plus+plus.txt',
    '100%.txt',
    '%2F%2e%2e.txt',
    'quote"\'`.txt',
    'back\\slash.txt',
    'emoji 🗂️👩‍👩‍👧.txt',
    'übung/日本語/العربية.txt',
    'a&b=c?d#e;f,g.txt',
    '.hidden/...dots',
    '<script>.html',
    ' leading and trailing ',
    "'; DROP TABLE files; --",
    '*[]{}|^~$',
    '\u{10ffff}/\ue000',
  ];
  test.each(names)('%j is stored, listed, read, linked and deleted', async (name) => {
    const uploaded = await key.client.upload(name, name);
    expect(uploaded.data.file.fileName).toBe(name.normalize('NFC'));
    expect((await key.client.bytes(name)).toString()).toBe(name);
    const listed = await key.client.listAll({ prefix: name });
    expect(listed.files.map(({ fileName }) => fileName)).toEqual([name.normalize('NFC')]);
    const downloaded = await fetch((await key.client.link(name)).data.downloadUrl);
    expect(await downloaded.text()).toBe(name);
    expect((await key.client.delete(name)).data.fileName).toBe(name.normalize('NFC'));
    expect((await key.client.metadata(name)).outcome).toBe('404 FILE_NOT_FOUND');
  });

  test('is the same composed and decomposed: NFD goes in, NFC comes out', async () => {
    const composed = 'caf\u00e9/\u00c5.txt';
    const decomposed = composed.normalize('NFD');
    expect(decomposed).not.toBe(composed);
    const first = await key.client.upload(decomposed, 'first');
    expect(first.data.file.fileName).toBe(composed);
    const second = await key.client.upload(composed, 'second');
    expect(second.data.file.id).toBe(first.data.file.id);
    expect((await key.client.bytes(decomposed)).toString()).toBe('second');
    expect((await key.client.list({ prefix: 'cafe\u0301/' })).data.files).toHaveLength(1);
    expect((await key.client.delete(decomposed)).status).toBe(200);
  });

  test('has at most 1024 bytes of UTF-8, however many characters', async () => {
    const full = `${'ä'.repeat(510)}.txt`;
    expect(Buffer.byteLength(full)).toBe(1024);
    expect((await key.client.upload(full, 'full')).status).toBe(201);
    expect((await key.client.bytes(full)).toString()).toBe('full');
    const both = await key.client.upload(full, 'again', { conflict: 'keepBoth' });
    expect(Buffer.byteLength(both.data.file.fileName)).toBeLessThanOrEqual(1024);
    expect(both.data.file.fileName).toMatch(/ \(1\)\.txt$/);
    expect((await key.client.upload(`x${full}`, 'more')).outcome).toBe('400 VALIDATION_FAILED');
  });

  test('is a path, not a folder: a file may bear the name of one', async () => {
    await key.client.upload('node', 'a file');
    await key.client.upload('node/child', 'in a folder');
    expect((await key.client.bytes('node')).toString()).toBe('a file');
    expect((await key.client.bytes('node/child')).toString()).toBe('in a folder');
  });

  test('is one segment of the URL: its slashes are written %2F', async () => {
    await key.client.upload('one/two.txt', 'x');
    const asFolders = await key.client.get('/storage/files/one/two.txt/metadata');
    expect(asFolders.outcome).toBe('404 ROUTE_NOT_FOUND');
    const broken = await key.client.get('/storage/files/%E0%A4%A/metadata');
    expect(broken.outcome).toBe('400 VALIDATION_FAILED');
    expect((await key.client.get(`${pathOf('one/two.txt')}/metadata`)).status).toBe(200);
  });
});
