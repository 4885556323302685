import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type ApiKeyView,
  approve,
  claim,
  createKey,
  type KeyRequestView,
  loginAdmin,
  register,
  requestKey,
  signUp,
  signUpAndGetKey,
  type UserView,
} from '../support/client-accounts.ts';
import { ApiClient } from '../support/client-api.ts';
import { HEADS } from '../support/content-heads.ts';
import { useService } from '../support/server-fixture.ts';

const GB = 1024 ** 3;
const service = useService();

test('the README’s way: from registering to usage, by HTTP alone', async () => {
  const ada = await register(service);
  expect(ada.user).toMatchObject({ email: ada.email, role: 'USER', emailVerified: false });
  const otp = await service.place.latestOtp(ada.email);
  const verified = await ada.client.post<{ user: UserView }>(`/otp/verify/${otp}`);
  expect(verified.data.user).toMatchObject({ id: ada.user.id, emailVerified: true });

  const asked = await ada.client.post<{ request: KeyRequestView }>('/apiKeys/request/create', {
    keyName: 'photo backup',
    requestedStorageGB: 5,
    requestedObjects: 10_000,
    reason: 'Nightly backup of the photo library',
  });
  expect(asked.status).toBe(201);
  expect(asked.data.request).toMatchObject({ status: 'PENDING', requestType: 'CREATE', accessKeyId: null });

  const admin = await loginAdmin(service);
  const waiting = await admin.get<{ requests: (KeyRequestView & { user: UserView })[] }>('/apiKeys/request/admin/all', {
    status: 'PENDING',
  });
  const mine = waiting.data.requests.find(({ id }) => id === asked.data.request.id);
  expect(mine).toMatchObject({ keyName: 'photo backup', user: { email: ada.email } });
  const approved = await admin.request<{ request: KeyRequestView; apiKey: ApiKeyView }>(
    'PATCH',
    `/apiKeys/request/admin/review/${asked.data.request.id}`,
    { json: { approved: true, reviewerComment: 'Welcome' } },
  );
  expect(approved.data.request).toMatchObject({ status: 'APPROVED', reviewerComment: 'Welcome', grantedStorageGB: 5 });
  expect(approved.data.apiKey).toMatchObject({
    isActive: true,
    permissions: ['read', 'write', 'delete', 'list'],
    quota: { maxBytes: 5 * GB, maxObjects: 10_000 },
  });
  expect(approved.text).not.toContain('secretKey');

  const key = await claim(ada, approved.data.apiKey.id);
  expect(key.accessKeyId).toBe(approved.data.apiKey.accessKeyId);
  expect(key.secretKey).toMatch(/^[A-Za-z0-9]{40}$/);

  const content = Buffer.concat([HEADS.jpeg, randomBytes(100_000 - HEADS.jpeg.length)]);
  const uploaded = await key.client.upload('photos/2026/cat.jpg', content, { type: 'image/jpeg' });
  expect(uploaded.status).toBe(201);
  expect(uploaded.data.file).toMatchObject({ fileName: 'photos/2026/cat.jpg', size: 100_000, category: 'image' });
  expect(uploaded.data.usage).toMatchObject({ bytesUsed: 100_000, objects: 1, bytesReserved: 0 });
  await key.client.upload('photos/2026/dog.jpg', HEADS.jpeg);
  await key.client.upload('notes.txt', 'remember');

  const listed = await key.client.list({ prefix: 'photos/' });
  expect(listed.data.files.map(({ fileName }) => fileName)).toEqual(['photos/2026/cat.jpg', 'photos/2026/dog.jpg']);
  const link = await key.client.link('photos/2026/cat.jpg');
  const downloaded = await fetch(link.data.downloadUrl);
  expect(Buffer.from(await downloaded.arrayBuffer()).equals(content)).toBe(true);
  const part = await key.client.content('photos/2026/cat.jpg', { range: 'bytes=10-19' });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(10, 20))).toBe(true);
  expect((await key.client.metadata('photos/2026/cat.jpg')).data.file).toMatchObject(uploaded.data.file);

  expect((await key.client.delete('photos/2026/dog.jpg')).data).toMatchObject({ sizeFreed: HEADS.jpeg.length });
  const bulk = await key.client.bulkDelete({ fileNames: ['notes.txt', 'never.txt'] });
  expect(bulk.data.summary).toEqual({ requested: 2, deleted: 1, failed: 1, sizeFreed: 8 });
  expect(await key.client.usage()).toMatchObject({
    usage: { bytesUsed: 100_000, objects: 1, bytesReserved: 0 },
    quota: { maxBytes: 5 * GB, maxObjects: 10_000, canUpload: true, quotaExceeded: false },
  });
});

describe('a review', () => {
  test('may be a rejection with a comment, which the requester sees and gets by mail', async () => {
    const bob = await signUp(service);
    const { id } = await requestKey(bob);
    const admin = await loginAdmin(service);
    const rejected = await admin.request<{ request: KeyRequestView; apiKey: null }>(
      'PATCH',
      `/apiKeys/request/admin/review/${id}`,
      { json: { approved: false, reviewerComment: 'Please ask for less' } },
    );
    expect(rejected.data).toMatchObject({
      request: { status: 'REJECTED', reviewerComment: 'Please ask for less', accessKeyId: null },
      apiKey: null,
    });
    const seen = await bob.client.get<{ request: KeyRequestView }>(`/apiKeys/request/${id}`);
    expect(seen.data.request).toMatchObject({ status: 'REJECTED', reviewerComment: 'Please ask for less' });
    expect((await bob.client.get<{ apiKeys: unknown[] }>('/apiKeys')).data.apiKeys).toEqual([]);
    await expect
      .poll(async () => (await service.place.mailsTo(bob.email)).some((mail) => mail.includes('Please ask for less')))
      .toBe(true);
  });

  test('happens once', async () => {
    const bob = await signUp(service);
    const { id } = await requestKey(bob);
    const admin = await loginAdmin(service);
    const path = `/apiKeys/request/admin/review/${id}`;
    const outcomes = await Promise.all(
      [true, false, true, false].map((approved) => admin.request('PATCH', path, { json: { approved } })),
    );
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['200', ...Array(3).fill('409 ALREADY_REVIEWED')]);
  });

  test('may grant less than was asked for, never more', async () => {
    const bob = await signUp(service);
    const { id } = await requestKey(bob, { bytes: GB, objects: 100 });
    const admin = await loginAdmin(service);
    const path = `/apiKeys/request/admin/review/${id}`;
    const more = await admin.request('PATCH', path, { json: { approved: true, grantedStorageGB: 2 } });
    expect(more.outcome).toBe('400 VALIDATION_FAILED');
    const less = await admin.request<{ apiKey: ApiKeyView }>('PATCH', path, {
      json: { approved: true, grantedStorageGB: 0.5, grantedObjects: 7 },
    });
    expect(less.data.apiKey.quota).toEqual({ maxBytes: GB / 2, maxObjects: 7 });
  });

  test('is the admins’ alone', async () => {
    const bob = await signUp(service);
    const { id } = await requestKey(bob);
    const path = `/apiKeys/request/admin/review/${id}`;
    expect((await bob.client.request('PATCH', path, { json: { approved: true } })).outcome).toBe('403 FORBIDDEN');
    expect((await bob.client.get('/apiKeys/request/admin/all')).outcome).toBe('403 FORBIDDEN');
    const nobody = new ApiClient(service.baseUrl);
    expect((await nobody.request('PATCH', path, { json: { approved: true } })).outcome).toBe('401 UNAUTHENTICATED');
    const seen = await bob.client.get<{ request: KeyRequestView }>(`/apiKeys/request/${id}`);
    expect(seen.data.request.status).toBe('PENDING');
  });
});

describe('a key', () => {
  test('shows its secret once, and only to its owner', async () => {
    const owner = await signUp(service);
    const stranger = await signUp(service);
    const { id } = await approve(await loginAdmin(service), (await requestKey(owner)).id);
    expect((await stranger.client.post(`/apiKeys/${id}/claim`)).outcome).toBe('404 API_KEY_NOT_FOUND');
    const claims = await Promise.all([1, 2, 3].map(() => owner.client.post(`/apiKeys/${id}/claim`)));
    expect(claims.map(({ outcome }) => outcome).sort()).toEqual(['200', '409 ALREADY_CLAIMED', '409 ALREADY_CLAIMED']);
    expect((await owner.client.post(`/apiKeys/${id}/claim`)).outcome).toBe('409 ALREADY_CLAIMED');
  });

  test('fails at the next request once it is revoked, and its files stay', async () => {
    const key = await signUpAndGetKey(service);
    await key.client.upload('kept.txt', 'kept');
    const revoked = await key.owner.client.request<{ apiKey: ApiKeyView }>('DELETE', `/apiKeys/${key.apiKeyId}`);
    expect(revoked.data.apiKey.isActive).toBe(false);
    expect((await key.client.get('/storage/usage')).outcome).toBe('401 KEY_REVOKED');
    expect((await key.client.upload('more.txt', 'more')).outcome).toBe('401 KEY_REVOKED');
    expect((await key.client.content('kept.txt')).status).toBe(401);
    const usage = await key.owner.client.get<{ usage: { objects: number } }>(`/apiKeys/${key.apiKeyId}/usage`);
    expect(usage.data.usage.objects).toBe(1);
  });

  test('is not good with a wrong, a missing or another key’s secret', async () => {
    const key = await signUpAndGetKey(service);
    const other = await createKey(service, key.owner);
    const outcome = async (credentials: Record<string, string>) =>
      (await new ApiClient(service.baseUrl, credentials).get('/storage/usage')).outcome;
    const id = { 'x-access-key-id': key.accessKeyId };
    expect(await outcome({ ...id, 'x-secret-key': other.secretKey })).toBe('401 INVALID_CREDENTIALS');
    expect(await outcome({ ...id, 'x-secret-key': `${key.secretKey} ` })).toBe('200');
    expect(await outcome({ ...id, 'x-secret-key': key.secretKey.toLowerCase() })).toBe('401 INVALID_CREDENTIALS');
    expect(await outcome({ ...id, 'x-secret-key': 'x'.repeat(5000) })).toBe('401 INVALID_CREDENTIALS');
    expect(await outcome(id)).toBe('401 UNAUTHENTICATED');
    expect(await outcome({ 'x-secret-key': key.secretKey })).toBe('401 UNAUTHENTICATED');
  });
});

describe('an account', () => {
  test('shows its owner the keys, without secrets', async () => {
    const key = await signUpAndGetKey(service);
    const profile = await key.owner.client.get<{ user: UserView; apiKeys: ApiKeyView[] }>('/users/profile');
    expect(profile.data.user).toMatchObject({ email: key.owner.email, emailVerified: true });
    expect(profile.data.apiKeys).toMatchObject([{ id: key.apiKeyId, accessKeyId: key.accessKeyId, isActive: true }]);
    expect(profile.text).not.toContain(key.secretKey);
    expect(profile.text).not.toMatch(/password|hash|sealed/i);
  });

  test('reaches nothing but its profile and the code before its address is proven', async () => {
    const eve = await register(service);
    const wish = { keyName: 'k', requestedStorageGB: 1, requestedObjects: 1, reason: 'because I can' };
    expect((await eve.client.get('/users/profile')).outcome).toBe('200');
    expect((await eve.client.post('/apiKeys/request/create', wish)).outcome).toBe('403 EMAIL_NOT_VERIFIED');
    expect((await eve.client.get('/storage/files')).outcome).toBe('403 EMAIL_NOT_VERIFIED');
    expect((await eve.client.upload('a.txt', 'a')).outcome).toBe('403 EMAIL_NOT_VERIFIED');
  });

  test('is proven by the mailed code only, in five tries', async () => {
    const eve = await register(service);
    const otp = await service.place.latestOtp(eve.email);
    const wrong = otp === '000000' ? '111111' : '000000';
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      expect((await eve.client.post(`/otp/verify/${wrong}`)).outcome).toBe('400 OTP_INVALID');
    }
    const late = await eve.client.post(`/otp/verify/${otp}`);
    expect(late.outcome).toBe('429 RATE_LIMITED');
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
    const profile = await eve.client.get<{ user: UserView }>('/users/profile');
    expect(profile.data.user.emailVerified).toBe(false);
  });

  test('ends its session by logging out', async () => {
    const eve = await signUp(service);
    expect((await eve.client.post('/auth/logout')).outcome).toBe('200');
    expect((await eve.client.get('/users/profile')).outcome).toBe('401 UNAUTHENTICATED');
    const refreshed = await new ApiClient(service.baseUrl).post('/auth/refresh', { refreshToken: eve.refreshToken });
    expect(refreshed.status).toBe(401);
  });

  test('leaves no secret in the log', async () => {
    const key = await signUpAndGetKey(service);
    await key.client.upload('a.txt', 'a');
    const link = await key.client.link('a.txt');
    await fetch(link.data.downloadUrl);
    const signature = new URL(link.data.downloadUrl).searchParams.get('signature') ?? 'no signature';
    // The log is written with up to a second's delay.
    await expect.poll(() => service.server.log()).toContain(`/objects/apikeys/${key.accessKeyId}/`);
    const log = await service.server.log();
    for (const secret of [key.secretKey, key.owner.password, key.owner.token, key.owner.refreshToken, signature]) {
      expect(log).not.toContain(secret);
    }
  });

  // Known gap: the code is part of a path, and paths are logged. Turn into `test` when it is mended.
  test('leaves no code in the log', async () => {
    const eve = await register(service);
    const otp = await service.place.latestOtp(eve.email);
    await new ApiClient(service.baseUrl).post(`/otp/verify/${otp}`);
    await expect.poll(() => service.server.log(), { timeout: 10_000 }).toMatch(/otp\/verify[^\n]*"status":401/);
    expect(await service.server.log()).not.toContain(`/otp/verify/${otp}`);
  });
});
