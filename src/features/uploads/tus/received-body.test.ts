import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ReceivedBody } from './received-body.ts';

function receive(maxBytes = 100) {
  const source = new PassThrough();
  const stop = new AbortController();
  const hash = createHash('sha256');
  const body = new ReceivedBody(source, { maxBytes, signal: stop.signal, hashes: [hash] });
  return { source, stop, hash, body, content: buffer(body.stream) };
}

it('passes on what came and hashes it', async () => {
  const { source, body, hash, content } = receive();
  source.write('abc');
  source.end('def');
  expect(String(await content)).toBe('abcdef');
  expect(body).toMatchObject({ ending: 'whole', sizeBytes: 6 });
  expect(hash.digest('hex')).toBe(createHash('sha256').update('abcdef').digest('hex'));
});

it('ends with what came before the cut', async () => {
  const { source, body, content } = receive();
  source.write('abc');
  await turn();
  source.destroy(new Error('aborted'));
  expect(String(await content)).toBe('abc');
  expect(body.ending).toBe('cut');
});

it('ends with what came before it was stopped, and takes no more', async () => {
  const { source, stop, body, content } = receive();
  source.write('abc');
  await turn();
  stop.abort();
  source.write('def');
  expect(String(await content)).toBe('abc');
  expect(body).toMatchObject({ ending: 'stopped', sizeBytes: 3 });
});

it('lets no byte pass beyond what may come', async () => {
  const { source, body, content } = receive(4);
  source.write('abc');
  await turn();
  source.write('def');
  expect(String(await content)).toBe('abc');
  expect(body.ending).toBe('excess');
});

it('is cut from the start where the sender has gone already', async () => {
  const source = new PassThrough();
  source.destroy();
  const { signal } = new AbortController();
  const body = new ReceivedBody(source, { maxBytes: 9, signal, hashes: [] });
  expect((await buffer(body.stream)).length).toBe(0);
  expect(body.ending).toBe('cut');
});
