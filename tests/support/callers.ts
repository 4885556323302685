import { type Accounts, Caller, PASSWORD } from './accounts.ts';

/** The same person in another session. */
export async function login(a: Accounts, { email }: Caller): Promise<Caller> {
  const reply = await a.anonymous().post('/api/auth/login').send({ email, password: PASSWORD }).expect(200);
  return new Caller(a.app, reply.body.data);
}

/** A key whose secret is known, and the headers that show it. */
export async function claimedKey(a: Accounts, owner: Caller, admin: Caller) {
  const key = await a.approvedKey(owner, admin);
  const { accessKeyId, secretKey } = (await owner.post(`/apiKeys/${key.id}/claim`)).body.data;
  return { ...key, headers: { 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey } };
}

/** For requests that a `Caller` does not make. */
export function bearer({ token }: Caller) {
  return { authorization: `Bearer ${token}` };
}

/** Sends a file into the space of whoever the headers show. */
export function upload(a: Accounts, headers: Record<string, string>, name: string) {
  return a.anonymous().post('/api/storage/upload').set(headers).attach('file', Buffer.alloc(100, name), name);
}
