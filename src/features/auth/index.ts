export { authRoutes } from './auth.router.ts';
export { email, typedPassword, username } from './auth.schemas.ts';
export { AuthService } from './auth.service.ts';
export { EmailVerificationService } from './email-verification.service.ts';
export { FirstAdminService } from './first-admin.service.ts';
export { OneTimeCodeRepository } from './one-time-code.repository.ts';
export { PasswordCheckService } from './password-check.service.ts';
export { SessionRepository } from './session.repository.ts';
export { RefreshTokens } from './tokens.ts';
