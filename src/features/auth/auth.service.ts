import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { AccessTokens } from '../../platform/crypto/access-token.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import { newId } from '../../platform/crypto/random.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { ANONYMOUS_ACTOR, type AuditActor, type AuditOrigin, type AuditRepository, actorOf } from '../audit/index.ts';
import type { User, UserRepository } from '../users/index.ts';
import type { EmailVerificationService } from './email-verification.service.ts';
import { nameOf } from './login-guard.ts';
import type { PasswordCheckService } from './password-check.service.ts';
import type { SessionRepository } from './session.repository.ts';
import { REFRESH_TOKEN_TTL_MS, type RefreshToken, type RefreshTokens } from './tokens.ts';

export interface AuthDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly sessions: SessionRepository;
  readonly audit: AuditRepository;
  readonly verification: EmailVerificationService;
  readonly passwordCheck: PasswordCheckService;
  readonly passwordHasher: PasswordHasher;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly clock: Clock;
  readonly driveQuota: { readonly bytes: number; readonly objects: number };
}

export interface Registration {
  /** Trimmed and well-formed. */
  readonly email: string;
  /** Held against `passwordFault` before. */
  readonly password: string;
  readonly name: string | null;
  readonly username: string | null;
}

export type Login = { readonly email: string } | { readonly username: string };

/** A session's way in: an access token for 15 minutes and a refresh token for the next one. */
export interface SessionTokens {
  readonly user: User;
  readonly token: string;
  readonly refreshToken: string;
}

/** Accounts and the sessions in which they act. */
export class AuthService {
  readonly #deps: AuthDependencies;

  constructor(deps: AuthDependencies) {
    this.#deps = deps;
  }

  /** Creates an account with its drive, a first session and a code to prove the address. EMAIL_TAKEN, USERNAME_TAKEN. */
  async register(input: Registration, origin: AuditOrigin): Promise<SessionTokens> {
    const { uow, users, audit, verification, passwordHasher, clock, driveQuota } = this.#deps;
    const { email, name, username } = input;
    const passwordHash = await passwordHasher.hash(input.password);
    return uow.run(async (tx) => {
      const user = await users.create(tx, {
        id: newId(),
        email: email.normalize('NFC'),
        username,
        name,
        passwordHash,
        role: 'USER',
        emailVerifiedAt: null,
        createdAt: clock.now(),
        driveQuota,
      });
      if (user === 'email_taken') throw new AppError('EMAIL_TAKEN');
      if (user === 'username_taken') throw new AppError('USERNAME_TAKEN');
      await verification.sendFirst(tx, user);
      const session = await this.#openSession(tx, user, origin);
      const { token, refreshToken } = session;
      await audit.append(tx, {
        action: 'user.register',
        actor: userActor(user),
        origin,
        subject: { type: 'user', id: user.id },
        secret: { token, refreshToken },
      });
      return session;
    });
  }

  /** Errors: USER_NOT_FOUND. */
  async getUser(id: string): Promise<User> {
    const user = await this.#deps.users.findById(id);
    if (!user) throw new AppError('USER_NOT_FOUND');
    return user;
  }

  /**
   * Whether a registration may be answered once more with its first refresh token, which one that was used since would end
   * the session by. Errors: ACCOUNT_DISABLED, CONFLICT (the account or the session has gone, or the token was used).
   */
  async assertFresh(userId: string | null, refreshToken: string): Promise<void> {
    const { users, sessions, refreshTokens, clock } = this.#deps;
    const user = userId === null ? null : await users.findById(userId);
    if (user?.disabledAt) throw new AppError('ACCOUNT_DISABLED');
    const token = refreshTokens.parse(refreshToken);
    if (user && token && (await sessions.isCurrent(token.sessionId, token.hash, clock.now()))) return;
    throw new AppError('CONFLICT', {
      message: 'This was done before with the same Idempotency-Key, and its session has ended or gone on; log in',
      details: { subjectType: 'user', subjectId: userId },
    });
  }

  /**
   * INVALID_CREDENTIALS for an unknown account and a wrong password alike, in one time; RATE_LIMITED after too many of them
   * from this address; ACCOUNT_DISABLED.
   */
  async login(login: Login, password: string, origin: AuditOrigin): Promise<SessionTokens> {
    const { uow, users, audit, passwordCheck, clock } = this.#deps;
    const found = await users.findForLogin(login);
    const { user, passwordHash } = await passwordCheck.prove({ found, name: nameOf(login), password, origin });
    const session = await uow.run(async (tx) => {
      if (!(await users.noteLogin(tx, user.id, passwordHash, clock.now()))) return null;
      await audit.append(tx, {
        action: 'user.login',
        actor: userActor(user),
        origin,
        subject: { type: 'user', id: user.id },
      });
      return this.#openSession(tx, user, origin);
    });
    if (session) return session;
    await passwordCheck.noteRefusal(user, { reason: 'disabled' }, origin);
    throw new AppError(user.disabledAt === null ? 'INVALID_CREDENTIALS' : 'ACCOUNT_DISABLED');
  }

  /**
   * Gives new tokens for a refresh token, which is then used up. UNAUTHENTICATED: none of ours, its session has ended, or
   * it was used before, which ends its session. TOKEN_EXPIRED, ACCOUNT_DISABLED.
   */
  async refresh(token: string, origin: AuditOrigin): Promise<SessionTokens> {
    const { users, accessTokens, refreshTokens } = this.#deps;
    const old = refreshTokens.parse(token);
    if (!old) throw invalidRefreshToken();
    const fresh = refreshTokens.issue(old.sessionId);
    const rotation = await this.#rotate(old, fresh, origin);
    switch (rotation.outcome) {
      case 'expired':
        throw new AppError('TOKEN_EXPIRED', { message: 'The refresh token has expired; log in again' });
      case 'disabled':
        throw new AppError('ACCOUNT_DISABLED');
      case 'unknown':
      case 'replayed':
        throw invalidRefreshToken();
      case 'rotated': {
        const user = await users.findById(rotation.userId);
        if (!user) throw invalidRefreshToken();
        const { sessionId, token: refreshToken } = fresh;
        return { user, refreshToken, token: accessTokens.issue({ userId: user.id, sessionId, role: user.role }) };
      }
    }
  }

  #rotate(old: RefreshToken, fresh: RefreshToken, origin: AuditOrigin) {
    const { uow, sessions, audit, clock } = this.#deps;
    const now = clock.now();
    return uow.run(async (tx) => {
      const rotation = await sessions.rotate(tx, {
        sessionId: old.sessionId,
        oldHash: old.hash,
        newHash: fresh.hash,
        now,
        expiresAt: new Date(now.getTime() + REFRESH_TOKEN_TTL_MS),
      });
      if (rotation.outcome === 'rotated') {
        const { userId, role } = rotation;
        await audit.append(tx, {
          action: 'user.session_refreshed',
          actor: actorOf({ kind: 'user', userId, role }),
          origin,
          subject: { type: 'user', id: userId },
          metadata: { sessionId: old.sessionId },
        });
      }
      if (rotation.outcome === 'replayed') {
        await audit.append(tx, {
          action: 'user.refresh_replayed',
          actor: ANONYMOUS_ACTOR,
          origin,
          subject: { type: 'user', id: rotation.userId },
          metadata: { sessionId: old.sessionId },
        });
      }
      return rotation;
    });
  }

  async #openSession(tx: Tx, user: User, origin: AuditOrigin): Promise<SessionTokens> {
    const { sessions, accessTokens, refreshTokens, clock } = this.#deps;
    const now = clock.now();
    const sessionId = newId();
    const refresh = refreshTokens.issue(sessionId);
    await sessions.create(tx, {
      id: sessionId,
      userId: user.id,
      refreshTokenHash: refresh.hash,
      ip: origin.ip,
      userAgent: origin.userAgent,
      createdAt: now,
      expiresAt: new Date(now.getTime() + REFRESH_TOKEN_TTL_MS),
    });
    const token = accessTokens.issue({ userId: user.id, sessionId, role: user.role });
    return { user, token, refreshToken: refresh.token };
  }
}

function userActor(user: User): AuditActor {
  return actorOf({ kind: 'user', userId: user.id, role: user.role });
}

function invalidRefreshToken(): AppError {
  return new AppError('UNAUTHENTICATED', { message: 'The refresh token is not valid; log in again' });
}
