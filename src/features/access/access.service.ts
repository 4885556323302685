import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../../errors/app-error.ts';
import type { AccessTokens } from '../../platform/crypto/access-token.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import { sha256 } from '../../platform/crypto/random.ts';
import type { Sealed, Sealer } from '../../platform/crypto/seal.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { AccessRepository, KeyState } from './access.repository.ts';
import { assertPermissions } from './permission.ts';
import type { Access, Credentials, KeyPrincipal, Principal, UserPrincipal } from './principal.ts';
import { SecretMemory } from './secret-memory.ts';

const TOUCH_EVERY_MS = 60_000;

export interface AccessDependencies {
  readonly repository: AccessRepository;
  readonly tokens: AccessTokens;
  readonly secretHasher: PasswordHasher;
  readonly sealer: Sealer;
  readonly log: Logger;
}

export interface AuthorizeOptions {
  readonly onProven?: (principal: Principal) => void;
  readonly isUnderWay?: boolean;
}

/**
 * The one place that decides whether a request may go on. Every route passes it with its declared access; the rows that
 * matter (revoked, expired, disabled, session ended, quota) are read at every request, so that what an admin or owner
 * does holds at the next one in every process.
 */
export class AccessService {
  readonly #deps: AccessDependencies;
  readonly #memory = new SecretMemory();
  readonly #touched = new Map<string, number>();

  constructor(deps: AccessDependencies) {
    this.#deps = deps;
  }

  /**
   * Proves the credentials and holds them against what the route asks for; null only for `anyone`. `onProven` hears who
   * it is before it is known whether that one may. `isUnderWay`: these credentials were good when the request began, and
   * only what has been ended since counts, not the age of the access token.
   */
  async authorize(
    credentials: Credentials,
    access: Access,
    { onProven, isUnderWay = false }: AuthorizeOptions = {},
  ): Promise<Principal | null> {
    const showsKey = credentials.accessKeyId !== undefined || credentials.secretKey !== undefined;
    if (showsKey && credentials.bearer !== undefined) throw new AppError('AMBIGUOUS_CREDENTIALS');
    if (access === 'anyone') return null;
    const takesKey = access.startsWith('space:');
    if (showsKey && !takesKey) {
      throw new AppError('UNAUTHENTICATED', { message: 'This endpoint takes a bearer token, not an API key' });
    }
    const principal = showsKey ? await this.#key(credentials) : await this.#user(credentials, isUnderWay);
    onProven?.(principal);
    if (principal.kind === 'key') assertPermissions(principal, access);
    else assertRank(principal, access);
    return principal;
  }

  async #user(credentials: Credentials, isUnderWay: boolean): Promise<UserPrincipal> {
    if (credentials.bearer === undefined) throw new AppError('UNAUTHENTICATED');
    const verdict = this.#deps.tokens.verify(credentials.bearer, { ofAnyAge: isUnderWay });
    if (verdict.kind === 'expired') throw new AppError('TOKEN_EXPIRED');
    if (verdict.kind === 'invalid') throw new AppError('UNAUTHENTICATED', { message: 'The token is not valid' });
    const { sub: userId, sid: sessionId, exp } = verdict.claims;
    const state = await this.#deps.repository.findSession(sessionId, userId);
    // Before the session's end, which comes with it: the token is ours, and its bearer may know why.
    if (state?.disabled) throw new AppError('ACCOUNT_DISABLED');
    if (!state || state.ended) throw new AppError('UNAUTHENTICATED', { message: 'The session has ended' });
    const { role, emailVerified, leaving, space } = state;
    const tokenExpiresAt = new Date(exp * 1000);
    return { kind: 'user', userId, sessionId, role, emailVerified, leaving, tokenExpiresAt, space };
  }

  async #key(credentials: Credentials): Promise<KeyPrincipal> {
    const { accessKeyId, secretKey } = credentials;
    if (!accessKeyId || !secretKey) {
      throw new AppError('UNAUTHENTICATED', { message: 'Send both x-access-key-id and x-secret-key' });
    }
    // No key or secret of ours is longer; bcrypt would cut at 72 bytes and PostgreSQL refuses NUL.
    if (!/^[\x21-\x7e]{1,64}$/.test(accessKeyId) || !/^[\x21-\x7e]{1,64}$/.test(secretKey)) {
      throw new AppError('INVALID_CREDENTIALS');
    }
    const state = await this.#deps.repository.findKey(accessKeyId);
    const secretId = state ? await this.#matchingSecret(state, secretKey) : null;
    if (!state || secretId === null) throw new AppError('INVALID_CREDENTIALS');
    if (state.revoked) throw new AppError('KEY_REVOKED');
    if (state.expired) throw new AppError('KEY_EXPIRED');
    if (state.ownerDisabled) throw new AppError('ACCOUNT_DISABLED');
    this.#touch(secretId, credentials.ip);
    const { userId, apiKeyId, permissions, space } = state;
    return { kind: 'key', userId, apiKeyId, accessKeyId, permissions, space };
  }

  async #matchingSecret(state: KeyState, secretKey: string): Promise<string | null> {
    for (const { id, hash } of state.secrets) {
      const verdict = this.#memory.verify(secretKey, hash, () => this.#checkSecret(secretKey, id, hash));
      if (typeof verdict === 'boolean' ? verdict : await verdict) return id;
    }
    return null;
  }

  /**
   * Whether a secret that is not remembered is the key's. The sealed form is looked at first, so that only a right secret
   * costs a bcrypt: otherwise whoever knows a key's id, which is in every link, could keep the hasher busy for all.
   */
  async #checkSecret(secretKey: string, secretId: string, hash: string): Promise<boolean> {
    const { repository, secretHasher } = this.#deps;
    const sealed = await repository.findSealed(secretId);
    if (!sealed) return false;
    const opened = this.#open(sealed, secretId);
    if (opened !== null && !timingSafeEqual(sha256(opened), sha256(secretKey))) return false;
    return secretHasher.verify(secretKey, hash);
  }

  /** null under another encryption key: then the hash alone decides, and keys go on working. */
  #open(sealed: Sealed, secretId: string): string | null {
    try {
      return this.#deps.sealer.open(sealed, secretId);
    } catch (error) {
      this.#deps.log.warn({ err: error, secretId }, 'a sealed secret does not open; is ENCRYPTION_KEY another one?');
      return null;
    }
  }

  /** At most one write a minute for a secret and process; a lost one costs nothing but freshness. */
  #touch(secretId: string, ip: string | null): void {
    const now = Date.now();
    if (now - (this.#touched.get(secretId) ?? 0) < TOUCH_EVERY_MS) return;
    if (this.#touched.size > 10_000) this.#touched.clear();
    this.#touched.set(secretId, now);
    this.#deps.repository
      .touchSecret(secretId, ip)
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'last use of a secret could not be noted'));
  }
}

function assertRank(user: UserPrincipal, access: Access): void {
  if (access === 'leaving') return;
  if (user.leaving) throw new AppError('ACCOUNT_DELETION_PENDING');
  if (access !== 'user' && !user.emailVerified) throw new AppError('EMAIL_NOT_VERIFIED');
  if (access === 'admin' && user.role !== 'ADMIN') throw new AppError('FORBIDDEN');
}
