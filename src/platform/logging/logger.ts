import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Paths that never reach a log line, whoever logs them. */
const REDACTED = [
  'password',
  'currentPassword',
  'newPassword',
  'secretKey',
  'token',
  'refreshToken',
  'otp',
  'authorization',
  'cookie',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

const HEADERS = ['authorization', 'cookie', 'x-secret-key', 'set-cookie'].flatMap((name) => [
  `headers["${name}"]`,
  `req.headers["${name}"]`,
  `res.headers["${name}"]`,
]);

/** JSON lines on standard output, secrets redacted; `destination` only for tests. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    redact: { paths: [...REDACTED, ...HEADERS], censor: '[redacted]' },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  };
  return destination ? pino(options, destination) : pino(options);
}
