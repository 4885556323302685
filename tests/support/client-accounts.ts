import { randomBytes } from 'node:crypto';
import { ApiClient } from './client-api.ts';

const GIB = 1024 ** 3;

/** Where accounts are made: a service, its first admin, and how its mail is read. */
export interface AccountsHome {
  readonly baseUrl: string;
  readonly place: {
    readonly adminEmail: string;
    readonly adminPassword: string;
    latestOtp(address: string): Promise<string>;
  };
}

/** API.md's `user`. */
export interface UserView {
  readonly id: string;
  readonly email: string;
  readonly username: string | null;
  readonly name: string | null;
  readonly role: string;
  readonly emailVerified: boolean;
}

/** API.md's `request`. */
export interface KeyRequestView {
  readonly id: string;
  readonly status: string;
  readonly keyName: string;
  readonly accessKeyId: string | null;
  readonly reviewerComment: string | null;
  readonly grantedStorageGB: number | null;
  readonly grantedObjects: number | null;
}

/** API.md's `key`. */
export interface ApiKeyView {
  readonly id: string;
  readonly accessKeyId: string;
  readonly name: string;
  readonly isActive: boolean;
  readonly permissions: readonly string[];
  readonly quota: { readonly maxBytes: number; readonly maxObjects: number };
}

/** A registered user, logged in. */
export interface Account {
  readonly email: string;
  readonly password: string;
  readonly user: UserView;
  readonly token: string;
  readonly refreshToken: string;
  readonly client: ApiClient;
}

/** An approved key whose secret is claimed, and its owner. */
export interface ClaimedKey {
  readonly apiKeyId: string;
  readonly accessKeyId: string;
  readonly secretKey: string;
  readonly client: ApiClient;
  readonly owner: Account;
}

/** What to ask for; 1 GiB, 10,000 objects and everything unless told. */
export interface KeyWish {
  readonly bytes?: number;
  readonly objects?: number;
  readonly permissions?: readonly string[];
}

/** Registers somebody with an address and a password of their own; the address is not yet proven. */
export async function register({ baseUrl }: AccountsHome): Promise<Account> {
  const email = `user-${randomBytes(6).toString('hex')}@example.com`;
  const password = randomBytes(12).toString('base64url');
  const anyone = new ApiClient(baseUrl);
  const answer = await anyone.post<{ user: UserView; token: string; refreshToken: string }>('/auth/register', {
    email,
    password,
  });
  const { user, token, refreshToken } = answer.data;
  return { email, password, user, token, refreshToken, client: bearer(baseUrl, token) };
}

/** Registers somebody and proves the address by the code from the outbox. */
export async function signUp(home: AccountsHome): Promise<Account> {
  const account = await register(home);
  const otp = await home.place.latestOtp(account.email);
  const { user } = (await account.client.post<{ user: UserView }>(`/otp/verify/${otp}`)).data;
  return { ...account, user };
}

const adminTokens = new WeakMap<AccountsHome['place'], Promise<string>>();

/** The first admin, logged in once for each place: a login costs a quarter of a second of hashing. */
export async function loginAdmin({ baseUrl, place }: AccountsHome): Promise<ApiClient> {
  const token = adminTokens.get(place) ?? logIn(baseUrl, place.adminEmail, place.adminPassword);
  adminTokens.set(place, token);
  return bearer(baseUrl, await token);
}

async function logIn(baseUrl: string, email: string, password: string): Promise<string> {
  const answer = await new ApiClient(baseUrl).post<{ token: string }>('/auth/login', { email, password });
  return answer.data.token;
}

/** Asks for a key; a quota of any number of bytes is a fraction of a GB. */
export async function requestKey(
  owner: Account,
  { bytes = GIB, objects = 10_000, permissions }: KeyWish = {},
): Promise<KeyRequestView> {
  const answer = await owner.client.post<{ request: KeyRequestView }>('/apiKeys/request/create', {
    keyName: 'acceptance',
    requestedStorageGB: bytes / GIB,
    requestedObjects: objects,
    reason: 'to be accepted by a test',
    ...(permissions ? { permissions } : {}),
  });
  return answer.data.request;
}

/** Has a request approved as it stands. */
export async function approve(admin: ApiClient, requestId: string): Promise<ApiKeyView> {
  const path = `/apiKeys/request/admin/review/${requestId}`;
  const answer = await admin.request<{ apiKey: ApiKeyView }>('PATCH', path, { json: { approved: true } });
  return answer.data.apiKey;
}

/** The owner's one look at the secret. */
export async function claim(owner: Account, apiKeyId: string): Promise<ClaimedKey> {
  const answer = await owner.client.post<{ accessKeyId: string; secretKey: string }>(`/apiKeys/${apiKeyId}/claim`);
  const { accessKeyId, secretKey } = answer.data;
  const client = new ApiClient(owner.client.baseUrl, { 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey });
  return { apiKeyId, accessKeyId, secretKey, client, owner };
}

/** One more key for somebody: request, approval, claim. */
export async function createKey(home: AccountsHome, owner: Account, wish: KeyWish = {}): Promise<ClaimedKey> {
  const request = await requestKey(owner, wish);
  const { id } = await approve(await loginAdmin(home), request.id);
  return claim(owner, id);
}

/** The whole way by HTTP: register, code from the outbox, verify, request, approval, claim. */
export async function signUpAndGetKey(home: AccountsHome, wish: KeyWish = {}): Promise<ClaimedKey> {
  return createKey(home, await signUp(home), wish);
}

function bearer(baseUrl: string, token: string): ApiClient {
  return new ApiClient(baseUrl, { authorization: `Bearer ${token}` });
}
