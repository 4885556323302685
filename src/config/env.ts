import { resolve } from 'node:path';
import { z } from 'zod';
import type { RateLimitRule } from '../platform/rate-limit/rate-limiter.ts';

const GIB = 1024 ** 3;
const flag = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'])
  .transform((v) => v === 'true' || v === '1' || v === 'yes');
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
/** `tcp://host:port` or `unix:///path`. */
function isClamdUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, pathname } = new URL(value);
  return protocol === 'tcp:' ? hostname !== '' : protocol === 'unix:' && hostname === '' && pathname.length > 1;
}

/** `image/png` or `image/*`. */
const mediaTypes = list
  .transform((types) => types.map((type) => type.toLowerCase()))
  .refine(
    (types) => types.every((type) => /^[\w!#$&^.+-]+\/(\*|[\w!#$&^.+-]+)$/.test(type)),
    'must be media types such as image/png or image/*, divided by commas',
  );
const extensions = list
  .transform((items) => items.map((item) => item.toLowerCase().replace(/^\.+/, '')))
  .refine(
    (items) => items.every((item) => /^[^/\s]+$/.test(item)),
    'must be endings such as exe or .exe, divided by commas',
  );
const positive = z.coerce.number().positive();
const count = z.coerce.number().int().positive();
const days = z.coerce.number().int().min(0);
const SECONDS = { s: 1, sec: 1, min: 60, h: 3600, hour: 3600, day: 86_400 } as const;

/** `10/min/ip` or `off`; who it is counted for is fixed for each limit and only said again. */
function rateLimit(who: string, fallback: RateLimitRule) {
  return z
    .string()
    .transform((text, context): RateLimitRule | null => {
      if (text === 'off') return null;
      const [, points, unit, counted] = /^([1-9]\d{0,8})\/(\w+)(?:\/(\w+))?$/.exec(text) ?? [];
      const seconds = SECONDS[unit as keyof typeof SECONDS];
      if (points !== undefined && seconds !== undefined && (counted === undefined || counted === who)) {
        return { points: Number(points), seconds };
      }
      context.addIssue({ code: 'custom', message: `must be off or like 10/min/${who} (s, min, h or day)` });
      return z.NEVER;
    })
    .default(fallback);
}

const url = (protocols: RegExp, what: string) =>
  z.string().refine((value) => URL.canParse(value) && protocols.test(new URL(value).protocol), `must be ${what}`);

/** The environment as `.env.example` describes it; names of the original Pockity are kept. */
const environment = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test']).default('development'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  HOST: z.string().default('0.0.0.0'),
  DATA_DIR: z.string().default('./data'),
  DATABASE_URL: url(/^postgres(ql)?:$/, 'a postgresql:// URL').optional(),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(200).default(16),
  JWT_SECRET: z.string().min(32, 'must be at least 32 characters').optional(),
  ENCRYPTION_KEY: z
    .string()
    .refine(
      (value) => Buffer.from(value, 'base64').length === 32,
      'must be 32 bytes in base64 (openssl rand -base64 32)',
    )
    .optional(),
  ADMIN_EMAIL: z.string().min(3).default('admin@localhost'),
  ADMIN_PASSWORD: z
    .string()
    .min(8, 'must be at least 8 characters')
    .refine((value) => Buffer.byteLength(value) <= 72, 'must be at most 72 bytes')
    .optional(),
  PUBLIC_URL: url(/^https?:$/, 'an http(s):// URL').optional(),
  TRUST_PROXY: z.string().default('off'),
  CORS_ORIGINS: list.default([]),
  AWS_REGION: z.string().default('us-east-1'),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  S3_BUCKET_NAME: z.string().optional(),
  S3_ENDPOINT: url(/^https?:$/, 'an http(s):// URL').optional(),
  S3_PUBLIC_ENDPOINT: url(/^https?:$/, 'an http(s):// URL').optional(),
  S3_FORCE_PATH_STYLE: flag.optional(),
  S3_CHECKSUMS: z.enum(['when_supported', 'when_required']).default('when_supported'),
  SMTP_URL: url(/^smtps?:$/, 'an smtp:// or smtps:// URL').optional(),
  EMAIL_USER: z.string().optional(),
  EMAIL_PASS: z.string().optional(),
  MAIL_FROM: z.string().default('Pockity <pockity@localhost>'),
  MAX_FILE_BYTES: count.default(5 * 1024 * GIB),
  ALLOWED_TYPES: mediaTypes.default([]),
  BLOCKED_EXTENSIONS: extensions.default([]),
  CLAMD_URL: z.string().refine(isClamdUrl, 'must be tcp://host:port or unix:///path').optional(),
  DRIVE_QUOTA_GB: positive.default(5),
  DRIVE_QUOTA_OBJECTS: count.default(10_000),
  RATE_LIMIT_AUTH: rateLimit('ip', { points: 10, seconds: 60 }),
  RATE_LIMIT_UPLOAD: rateLimit('key', { points: 600, seconds: 60 }),
  RATE_LIMIT_API: rateLimit('principal', { points: 6000, seconds: 60 }),
  ACCOUNT_DELETION_GRACE_DAYS: days.max(3650).default(30),
  TRASH_DAYS: days.max(3650).default(30),
  AUDIT_RETENTION_DAYS: days.max(36_500).default(365),
  ROLE: z.enum(['all', 'api', 'worker']).default('all'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

type Environment = z.output<typeof environment>;

/** Where objects go: the disk below the data folder, or an S3 bucket. */
export type ObjectStoreConfig =
  | { readonly kind: 'disk'; readonly directory: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly region: string;
      readonly endpoint: string | undefined;
      readonly publicEndpoint: string | undefined;
      readonly forcePathStyle: boolean;
      readonly checksums: 'when_supported' | 'when_required';
      readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
    };

/** Where mail goes: an SMTP server, or files below the data folder. */
export type MailConfig = { readonly from: string } & (
  | { readonly kind: 'outbox'; readonly directory: string }
  | {
      readonly kind: 'smtp';
      readonly url: string;
      readonly user: string | undefined;
      readonly pass: string | undefined;
    }
);

/** All that the process is told from outside. Bytes, seconds and paths are ready to use. */
export interface Config {
  readonly production: boolean;
  readonly http: {
    readonly port: number;
    readonly host: string;
    /** Origin of links and signed URLs, without a trailing slash; absent: taken from the request. */
    readonly publicUrl: string | undefined;
    /** Express's `trust proxy`: false, a number of hops, or addresses. */
    readonly trustProxy: boolean | number | string[];
    readonly corsOrigins: readonly string[];
  };
  readonly dataDirectory: string;
  /** For bytes on their way that memory has no room for. */
  readonly spoolDirectory: string;
  readonly databaseUrl: string | undefined;
  /** Connections of this process at the most, beside four of the job queue. */
  readonly databasePoolSize: number;
  readonly secrets: { readonly jwtSecret: string | undefined; readonly encryptionKey: string | undefined };
  readonly admin: { readonly email: string; readonly password: string | undefined };
  readonly objectStore: ObjectStoreConfig;
  readonly mail: MailConfig;
  readonly limits: {
    readonly maxFileBytes: number;
    /** `image/png` or `image/*`, in lower case; none: all. */
    readonly allowedTypes: readonly string[];
    /** In lower case, without a dot before them. */
    readonly blockedExtensions: readonly string[];
    readonly driveQuotaBytes: number;
    readonly driveQuotaObjects: number;
  };
  /** Where clamd listens, `tcp://host:port` or `unix:///path`; absent: nothing is scanned. */
  readonly clamdUrl: string | undefined;
  /** null: without a limit. */
  readonly rateLimits: {
    /** Of an address on what proves who somebody is; counted over all processes. */
    readonly auth: RateLimitRule | null;
    /** Of a key, or of a user, on uploads. */
    readonly upload: RateLimitRule | null;
    /** Of a key, of a user, or of an address that proves nothing. */
    readonly api: RateLimitRule | null;
  };
  readonly retention: {
    /** Between asking for the deletion of an account and its erasure. */
    readonly accountDeletionGraceDays: number;
    /** How long drives keep what was deleted; 0: not at all. */
    readonly trashDays: number;
    /** null: for ever. */
    readonly auditDays: number | null;
  };
  readonly role: 'all' | 'api' | 'worker';
  readonly logLevel: Environment['LOG_LEVEL'];
}

/** The environment is not usable; `faults` holds one line for each fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

/**
 * Reads the configuration from environment variables; an empty value counts as absent.
 * Throws `ConfigError` with one line for each fault, all at once.
 */
export function loadConfig(variables: Record<string, string | undefined> = process.env): Config {
  const present = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(present);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  }
  const env = parsed.data;
  const faults = crossFaults(env);
  if (faults.length > 0) throw new ConfigError(faults);
  const dataDirectory = resolve(env.DATA_DIR);
  return {
    production: env.NODE_ENV === 'production',
    http: {
      port: env.PORT,
      host: env.HOST,
      publicUrl: env.PUBLIC_URL?.replace(/\/+$/, ''),
      trustProxy: trustProxy(env.TRUST_PROXY),
      corsOrigins: env.CORS_ORIGINS,
    },
    dataDirectory,
    spoolDirectory: resolve(dataDirectory, 'spool'),
    databaseUrl: env.DATABASE_URL,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    secrets: { jwtSecret: env.JWT_SECRET, encryptionKey: env.ENCRYPTION_KEY },
    admin: { email: env.ADMIN_EMAIL, password: env.ADMIN_PASSWORD },
    objectStore: objectStore(env, dataDirectory),
    mail: mail(env, dataDirectory),
    limits: {
      maxFileBytes: env.MAX_FILE_BYTES,
      allowedTypes: env.ALLOWED_TYPES,
      blockedExtensions: env.BLOCKED_EXTENSIONS,
      driveQuotaBytes: Math.round(env.DRIVE_QUOTA_GB * GIB),
      driveQuotaObjects: env.DRIVE_QUOTA_OBJECTS,
    },
    clamdUrl: env.CLAMD_URL,
    rateLimits: { auth: env.RATE_LIMIT_AUTH, upload: env.RATE_LIMIT_UPLOAD, api: env.RATE_LIMIT_API },
    retention: {
      accountDeletionGraceDays: env.ACCOUNT_DELETION_GRACE_DAYS,
      trashDays: env.TRASH_DAYS,
      auditDays: env.AUDIT_RETENTION_DAYS === 0 ? null : env.AUDIT_RETENTION_DAYS,
    },
    role: env.ROLE,
    logLevel: env.LOG_LEVEL,
  };
}

/** Faults that no single variable shows. */
function crossFaults(env: Environment): string[] {
  const faults: string[] = [];
  if (env.NODE_ENV === 'production') {
    if (!env.JWT_SECRET) faults.push('JWT_SECRET: is required with NODE_ENV=production (openssl rand -base64 48)');
    if (!env.ENCRYPTION_KEY)
      faults.push('ENCRYPTION_KEY: is required with NODE_ENV=production (openssl rand -base64 32)');
  }
  if ((env.AWS_ACCESS_KEY_ID === undefined) !== (env.AWS_SECRET_ACCESS_KEY === undefined)) {
    faults.push('AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: give both or neither');
  }
  if (env.S3_ENDPOINT && !env.S3_BUCKET_NAME) faults.push('S3_BUCKET_NAME: is required with S3_ENDPOINT');
  if (trustProxy(env.TRUST_PROXY) === true) {
    faults.push('TRUST_PROXY: "true" would believe any client; give a number of hops or addresses');
  }
  return faults;
}

function trustProxy(value: string): boolean | number | string[] {
  if (['off', 'false', 'no', '0'].includes(value)) return false;
  if (['on', 'true', 'yes'].includes(value)) return true;
  if (/^\d+$/.test(value)) return Number(value);
  return value.split(',').map((address) => address.trim());
}

function objectStore(env: Environment, dataDirectory: string): ObjectStoreConfig {
  if (!env.S3_BUCKET_NAME) return { kind: 'disk', directory: resolve(dataDirectory, 'objects') };
  return {
    kind: 's3',
    bucket: env.S3_BUCKET_NAME,
    region: env.AWS_REGION,
    endpoint: env.S3_ENDPOINT,
    publicEndpoint: env.S3_PUBLIC_ENDPOINT,
    forcePathStyle: env.S3_FORCE_PATH_STYLE ?? env.S3_ENDPOINT !== undefined,
    checksums: env.S3_CHECKSUMS,
    credentials:
      env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY
        ? { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY }
        : undefined,
  };
}

function mail(env: Environment, dataDirectory: string): MailConfig {
  return env.SMTP_URL
    ? { kind: 'smtp', from: env.MAIL_FROM, url: env.SMTP_URL, user: env.EMAIL_USER, pass: env.EMAIL_PASS }
    : { kind: 'outbox', from: env.MAIL_FROM, directory: resolve(dataDirectory, 'outbox') };
}
