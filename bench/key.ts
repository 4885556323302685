import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_PASSWORD, type Child } from './processes.ts';

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
}

interface Envelope {
  readonly data: Record<string, string> & { readonly request: { id: string }; readonly apiKey: { id: string } };
}

/** Walks the whole way to an approved key, as a user and an admin do. */
export async function createApproved(
  service: Child,
  quota: { storageGB: number; objects: number },
): Promise<Credentials> {
  const call = caller(service.url);
  const person = { email: 'bench@example.com', password: 'only for this bench' };
  const { token } = (await call('POST', '/auth/register', person)).data;
  const user = { authorization: `Bearer ${token}` };
  await call('POST', `/otp/verify/${await codeFrom(join(service.dataDirectory, 'outbox'))}`, {}, user);
  const { request } = (
    await call(
      'POST',
      '/apiKeys/request/create',
      {
        keyName: 'bench',
        requestedStorageGB: quota.storageGB,
        requestedObjects: quota.objects,
        reason: 'to be measured',
      },
      user,
    )
  ).data;
  const login = await call('POST', '/auth/login', { email: 'admin@localhost', password: ADMIN_PASSWORD });
  const admin = { authorization: `Bearer ${login.data['token']}` };
  const { apiKey } = (await call('PATCH', `/apiKeys/request/admin/review/${request.id}`, { approved: true }, admin))
    .data;
  const { accessKeyId = '', secretKey = '' } = (await call('POST', `/apiKeys/${apiKey.id}/claim`, undefined, user))
    .data;
  return { headers: { 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey } };
}

function caller(url: string) {
  return async (
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Envelope> => {
    const response = await fetch(`${url}/api${path}`, {
      method,
      headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Envelope;
  };
}

async function codeFrom(outbox: string): Promise<string> {
  for (let turn = 0; turn < 100; turn += 1) {
    for (const name of await readdir(outbox).catch(() => [])) {
      const code = /Your code: (\d{6})/.exec(await readFile(join(outbox, name), 'utf8'))?.[1];
      if (code) return code;
    }
    await delay(100);
  }
  throw new Error('no code came');
}
