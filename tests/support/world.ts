import bcrypt from 'bcrypt';
import type { Express } from 'express';
import supertest from 'supertest';
import type { Permission } from '../../src/features/access/index.ts';
import { OneTimeCodeRepository, OneTimeCodeService, RefreshTokens } from '../../src/features/auth/index.ts';
import type { Method } from '../../src/http/route.ts';
import { AccessTokens } from '../../src/platform/crypto/access-token.ts';
import { newAccessKeyId, newId, newSecretKey } from '../../src/platform/crypto/random.ts';
import { deriveKey, Sealer } from '../../src/platform/crypto/seal.ts';
import type { Database } from '../../src/platform/db/database.ts';
import { type Accounts, ENCRYPTION_KEY, JWT_SECRET, PASSWORD, WISH } from './accounts.ts';

const GIB = 1024 ** 3;
const DAY_MS = 24 * 3600 * 1000;
const LONG_AGO = new Date('2026-01-01T00:00:00Z');

/** Somebody or something that sends requests. */
export interface Actor {
  readonly headers: Readonly<Record<string, string>>;
  readonly userId: string;
  readonly email: string;
}

/** A person with a session. */
export interface Person extends Actor {
  readonly sessionId: string;
  readonly refreshToken: string;
}

/** A key with its secret, and whose it is. */
export interface Key extends Actor {
  readonly apiKeyId: string;
  readonly accessKeyId: string;
  readonly secretId: string;
}

/** A request to send, without who sends it. */
export interface Call {
  /** Below `/api`, or from the root where the route is declared so. */
  readonly path: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** One part of a form. */
  readonly attach?: { readonly field: string; readonly bytes: Buffer; readonly name: string };
}

export interface PersonState {
  readonly verified?: boolean;
  readonly admin?: boolean;
  readonly disabled?: boolean;
  /** About to be deleted. */
  readonly leaving?: boolean;
  readonly sessionEnded?: boolean;
  readonly tokenExpired?: boolean;
}

export interface KeyState {
  readonly permissions?: readonly Permission[];
  readonly revoked?: boolean;
  readonly expired?: boolean;
  readonly unclaimed?: boolean;
}

/** Of a refusal, also of HEAD, which has no body. */
export function codeOf(reply: {
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the tests' expectations
  readonly body: any;
  readonly headers: Readonly<Record<string, string>>;
}): string | undefined {
  return reply.body.error?.code ?? reply.headers['x-error-code'];
}

/** Puts people, keys and what is theirs straight into the database of a composed app: a fresh set for each test costs little. */
export class World {
  readonly app: Express;
  readonly database: Database;
  readonly accounts: Accounts;
  readonly #tokens: AccessTokens;
  readonly #refreshTokens = new RefreshTokens(deriveKey(ENCRYPTION_KEY, 'refresh-token'));
  readonly #sealer = new Sealer(ENCRYPTION_KEY);
  readonly #passwordHash = bcrypt.hash(PASSWORD, 4);

  constructor(accounts: Accounts) {
    this.accounts = accounts;
    this.app = accounts.app;
    this.database = accounts.database;
    this.#tokens = new AccessTokens(JWT_SECRET, accounts.clock);
  }

  async person(state: PersonState = {}): Promise<Person> {
    const { verified = true, admin = false, disabled = false, leaving = false } = state;
    const { prisma } = this.database;
    const userId = newId();
    const email = `${userId}@example.com`;
    const role = admin ? 'ADMIN' : 'USER';
    await prisma.user.create({
      data: {
        id: userId,
        email,
        emailKey: email,
        passwordHash: await this.#passwordHash,
        role,
        emailVerifiedAt: verified ? LONG_AGO : null,
        disabledAt: disabled ? LONG_AGO : null,
        ...(leaving ? pendingDeletion() : {}),
        spaces: {
          create: {
            id: newId(),
            kind: 'DRIVE',
            prefix: `users/${userId}/`,
            quotaBytes: BigInt(GIB),
            quotaObjects: 1000n,
          },
        },
      },
    });
    // As disabling an account does.
    return this.#loggedIn({ userId, email, role }, disabled ? { ...state, sessionEnded: true } : state);
  }

  async key(owner: Person, state: KeyState = {}): Promise<Key> {
    const { permissions = ['read', 'write', 'delete', 'list'], revoked = false, expired = false } = state;
    const { prisma } = this.database;
    const [apiKeyId, accessKeyId, secretId, secret] = [newId(), newAccessKeyId(), newId(), newSecretKey()];
    const sealed = this.#sealer.seal(secret, secretId);
    await prisma.apiKey.create({
      data: {
        id: apiKeyId,
        accessKeyId,
        name: 'backup',
        permissions: [...permissions],
        claimedAt: state.unclaimed ? null : new Date(),
        revokedAt: revoked ? LONG_AGO : null,
        expiresAt: expired ? LONG_AGO : null,
        user: { connect: { id: owner.userId } },
        space: {
          create: {
            id: newId(),
            kind: 'KEY',
            ownerId: owner.userId,
            prefix: `apikeys/${accessKeyId}/`,
            quotaBytes: BigInt(GIB / 2),
            quotaObjects: 100n,
          },
        },
        ...(state.unclaimed
          ? {}
          : {
              secrets: {
                create: {
                  id: secretId,
                  secretHash: await bcrypt.hash(secret, 4),
                  sealedSecret: new Uint8Array(sealed.bytes),
                  sealKeyVersion: sealed.keyVersion,
                },
              },
            }),
      },
    });
    const headers = { 'x-access-key-id': accessKeyId, 'x-secret-key': secret };
    return { headers, userId: owner.userId, email: owner.email, apiKeyId, accessKeyId, secretId };
  }

  /** One more secret of a key, which nobody knows. */
  async addSecret(apiKeyId: string): Promise<void> {
    await this.database.prisma.apiKeySecret.create({
      data: { id: newId(), apiKeyId, secretHash: 'none', sealedSecret: new Uint8Array(1), sealKeyVersion: 1 },
    });
  }

  /** The id of one more session. */
  async session(userId: string): Promise<string> {
    return (await this.#openSession(userId, false)).sessionId;
  }

  /** A code that sets a new password. */
  async resetCode({ userId, email }: Person): Promise<string> {
    const codes = new OneTimeCodeRepository(this.database);
    const service = new OneTimeCodeService({ codes, codeKey: deriveKey(ENCRYPTION_KEY, 'one-time-code') });
    const subject = { purpose: 'PASSWORD_RESET', user: { id: userId, email } } as const;
    const issued = await this.database.prisma.$transaction((tx) => service.issue(tx, subject, new Date()));
    if (!issued) throw new Error('no code was issued');
    return issued.code;
  }

  async beginDeletion(userId: string): Promise<void> {
    await this.database.prisma.user.update({ where: { id: userId }, data: pendingDeletion() });
  }

  /** The id of a request that waits for review. */
  async pendingRequest(owner: Actor): Promise<string> {
    const id = newId();
    await this.database.prisma.apiKeyRequest.create({
      data: {
        ...WISH,
        id,
        userId: owner.userId,
        requestType: 'CREATE',
        requestedObjects: BigInt(WISH.requestedObjects),
        permissions: ['read'],
      },
    });
    return id;
  }

  /** A file in the actor's space. */
  async file(owner: Actor, path: string): Promise<void> {
    const attach = { field: 'file', bytes: Buffer.from('content'), name: 'file.txt' };
    const call = { path: `/storage/upload?fileName=${encodeURIComponent(path)}`, attach };
    const reply = await this.send('post', call, owner.headers);
    if (reply.status !== 201) throw new Error(`the upload was refused: ${JSON.stringify(reply.body)}`);
  }

  /** The id of a piece of work in the actor's space that nothing works on. */
  async operation(owner: Actor): Promise<string> {
    const id = newId();
    await this.database.prisma.operation.create({
      data: { id, spaceId: await this.spaceId(owner), kind: 'trash.empty', params: {}, total: 5n },
    });
    return id;
  }

  /** Of the key's pocket or the person's drive. */
  async spaceId(owner: Actor): Promise<string> {
    const { prisma } = this.database;
    if ('apiKeyId' in owner) {
      return (await prisma.apiKey.findUniqueOrThrow({ where: { id: String(owner.apiKeyId) } })).spaceId;
    }
    return (await prisma.space.findFirstOrThrow({ where: { ownerId: owner.userId, kind: 'DRIVE' } })).id;
  }

  /** Sends a request; `root`: not below `/api`. */
  send(method: Method, call: Call, headers: Readonly<Record<string, string>>, root = false) {
    const test = supertest(this.app)
      [method](`${root ? '' : '/api'}${call.path}`)
      .set({ ...headers, ...call.headers });
    if (call.attach) return test.attach(call.attach.field, call.attach.bytes, call.attach.name);
    return call.body === undefined ? test : test.send(call.body);
  }

  async #loggedIn(
    user: { readonly userId: string; readonly email: string; readonly role: 'USER' | 'ADMIN' },
    { sessionEnded = false, tokenExpired = false }: PersonState,
  ): Promise<Person> {
    const { sessionId, refreshToken } = await this.#openSession(user.userId, sessionEnded);
    const tokens = tokenExpired ? new AccessTokens(JWT_SECRET, { now: () => LONG_AGO }) : this.#tokens;
    const token = tokens.issue({ userId: user.userId, sessionId, role: user.role });
    const { userId, email } = user;
    return { userId, email, sessionId, refreshToken, headers: { authorization: `Bearer ${token}` } };
  }
  async #openSession(userId: string, ended: boolean): Promise<{ sessionId: string; refreshToken: string }> {
    const sessionId = newId();
    const refresh = this.#refreshTokens.issue(sessionId);
    await this.database.prisma.session.create({
      data: {
        id: sessionId,
        userId,
        refreshTokenHash: refresh.hash,
        expiresAt: new Date(Date.now() + DAY_MS),
        revokedAt: ended ? new Date() : null,
      },
    });
    return { sessionId, refreshToken: refresh.token };
  }
}

function pendingDeletion() {
  return { deletionRequestedAt: new Date(), deletionDueAt: new Date(Date.now() + 30 * DAY_MS) };
}
