import sharp from 'sharp';
import { expect, test } from 'vitest';
import { signUpAndGetKey } from '../support/client-accounts.ts';
import { eventually } from '../support/client-eventually.ts';
import { photo } from '../support/pictures.ts';
import { expectClean } from '../support/server-aftermath.ts';
import { useService } from '../support/server-fixture.ts';

const service = useService({ env: () => ({ ROLE: 'api' }) });
const PHOTOS = 6;

interface AssetView {
  readonly id: string;
  readonly processing: { readonly state: string };
  readonly thumbnails: { readonly small: string } | null;
}

test('what a killed worker was at is finished by another, and only workers make thumbnails', {
  timeout: 180_000,
}, async () => {
  const { place } = service;
  // Mails with codes are sent by workers.
  const first = await place.start({ ROLE: 'worker' });
  const key = await signUpAndGetKey(service);
  await first.stop();
  const bytes = new Uint8Array(await photo({ width: 6000, height: 6000 }));
  for (let n = 1; n <= PHOTOS; n += 1) {
    expect((await key.client.upload(`${n}.jpg`, bytes, { type: 'image/jpeg' })).status).toBe(201);
  }
  const states = async () => {
    const { data } = await key.client.get<{ assets: AssetView[] }>('/assets');
    return data.assets.map(({ processing }) => processing.state);
  };
  const isActive = async () =>
    (await place.query(`SELECT 1 FROM pgboss.job WHERE name = 'media.process' AND state = 'active'`)).length > 0;
  expect(await states()).toEqual(Array(PHOTOS).fill('PENDING'));
  expect(await isActive()).toBe(false);

  const doomed = await place.start({ ROLE: 'worker' });
  await eventually('it is at work', isActive, { withinMs: 30_000, everyMs: 1 });
  await doomed.kill9();
  expect(await states()).toContain('PENDING');
  expect(await isActive()).toBe(true);
  // As it would be noticed within a minute.
  await place.query(`UPDATE pgboss.job SET heartbeat_on = now() - interval '1 hour' WHERE state = 'active'`);

  await place.start({ ROLE: 'worker' });
  await eventually('all are done', async () => (await states()).every((state) => state === 'DONE'), {
    withinMs: 120_000,
    everyMs: 200,
  });
  const { data } = await key.client.get<{ assets: AssetView[] }>('/assets');
  for (const { id, thumbnails } of data.assets) {
    const reply = await fetch(thumbnails?.small ?? '');
    expect(await sharp(await reply.arrayBuffer()).metadata()).toMatchObject({ format: 'webp', width: 256 });
    expect((await key.client.fetch('GET', `/assets/${id}/thumbnails/large`)).status).toBe(200);
  }
  await place.query('UPDATE object_tombstones SET due_at = now() WHERE attempts = 0');
  expect(await expectClean(place, key, 60_000)).toMatchObject({ files: PHOTOS, thumbnails: PHOTOS * 3 });
});
