import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger } from 'pino';

const FLUSH_MS = 1000;

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

/** The two loggers of a process, on one stream. */
export interface Loggers {
  /** For everything; known names of secrets are redacted at any of the upper levels. */
  readonly log: Logger;
  /**
   * For the one line per request, whose fields are chosen one by one by its serializers: looking for secrets in them
   * again would cost more than the rest of the line.
   */
  readonly requestLog: Logger;
  /** Writes out what is buffered, for a second at the most: whoever reads the log may be gone. */
  flush(): Promise<void>;
}

/** JSON lines on standard output, gathered for up to a second or 4 KiB; `destination` only for tests. */
export function createLoggers(level: string, destination?: DestinationStream): Loggers {
  const buffered = destination
    ? undefined
    : pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 1000 });
  const stream = destination ?? buffered ?? process.stdout;
  const options: LoggerOptions = {
    level,
    base: { pid: process.pid },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return {
    log: pino({ ...options, redact: { paths: [...REDACTED, ...HEADERS], censor: '[redacted]' } }, stream),
    requestLog: pino({ ...options, serializers: { err: serializeError } }, stream),
    // Not `flushSync`: with nobody at the other end of the pipe it would try for ever.
    flush: () =>
      new Promise((resolve) => {
        setTimeout(resolve, FLUSH_MS).unref();
        if (buffered) buffered.flush(() => resolve());
        else resolve();
      }),
  };
}

/** A logger that keeps quiet, for tests. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/** What is known to be harmless of an error and its causes: drivers hang rows and parameters on theirs. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return { type: name, code, message, stack, ...(cause === undefined ? {} : { cause: serializeError(cause) }) };
}
