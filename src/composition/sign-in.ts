import { AccessRepository, AccessService } from '../features/access/index.ts';
import {
  AuthPurgeService,
  AuthService,
  authRoutes,
  type EmailVerificationDependencies,
  EmailVerificationService,
  FirstAdminService,
  LOCK_OUT,
  LoginGuard,
  OneTimeCodeRepository,
  OneTimeCodeService,
  PasswordCheckService,
  PasswordResetService,
  PasswordService,
  passwordRoutes,
  RefreshTokens,
  ResetCodeService,
  registerAuthJobs,
  SessionRepository,
  SessionService,
  sessionRoutes,
} from '../features/auth/index.ts';
import { AccessTokens } from '../platform/crypto/access-token.ts';
import { deriveKey } from '../platform/crypto/seal.ts';
import { RateLimiter } from '../platform/rate-limit/rate-limiter.ts';
import type { Basis } from './basis.ts';

/** Who somebody is: registration, sessions, passwords, codes, and the check of every request. */
export function composeSignIn(
  basis: Basis,
  { onEmailVerified }: Pick<EmailVerificationDependencies, 'onEmailVerified'>,
) {
  const { config, secrets, database, queue, log, uow, users, audit, mail, clock, sealer, passwordHasher } = basis;
  const { encryptionKey } = secrets;
  const driveQuota = { bytes: config.limits.driveQuotaBytes, objects: config.limits.driveQuotaObjects };
  const accessTokens = new AccessTokens(secrets.jwtSecret, clock);
  const sessions = new SessionRepository(database);
  const codes = new OneTimeCodeRepository(database);
  const oneTimeCodes = new OneTimeCodeService({ codes, codeKey: deriveKey(encryptionKey, 'one-time-code') });
  const verification = new EmailVerificationService({
    uow,
    users,
    codes,
    oneTimeCodes,
    audit,
    mail,
    clock,
    onEmailVerified,
  });
  const guard = new LoginGuard(RateLimiter.shared('login', LOCK_OUT, { database, remembersRefusals: false }));
  const passwordCheck = new PasswordCheckService({ uow, users, audit, passwordHasher, guard });
  const auth = new AuthService({
    uow,
    users,
    sessions,
    audit,
    verification,
    passwordCheck,
    passwordHasher,
    accessTokens,
    refreshTokens: new RefreshTokens(deriveKey(encryptionKey, 'refresh-token')),
    clock,
    driveQuota,
  });
  const proven = { uow, users, sessions, codes, audit, mail, passwordHasher, clock };
  const passwords = new PasswordService({ ...proven, passwordCheck });
  const resets = new PasswordResetService({ ...proven, guard, oneTimeCodes, queue, sealer });
  registerAuthJobs(
    queue,
    new ResetCodeService({ uow, users, oneTimeCodes, audit, mail, sealer, clock }),
    new AuthPurgeService({ sessions, codes, clock }),
  );
  const access = new AccessService({
    repository: new AccessRepository(database),
    tokens: accessTokens,
    secretHasher: basis.secretHasher,
    sealer,
    log,
  });
  return {
    access,
    sessions,
    verification,
    passwordCheck,
    firstAdmin: new FirstAdminService({ uow, users, audit, passwordHasher, clock, driveQuota }),
    routes: [
      ...authRoutes(auth, verification),
      ...sessionRoutes(new SessionService({ uow, users, sessions, audit, clock })),
      ...passwordRoutes(passwords, resets),
    ],
  };
}
