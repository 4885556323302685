import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from './env.ts';

const secretsFile = z.object({
  jwtSecret: z.string().min(32),
  encryptionKey: z.string(),
  postgresPassword: z.string().min(16),
});

/** What the process keeps from everybody. */
export interface Secrets {
  /** Signs access tokens (HS256). */
  readonly jwtSecret: string;
  /** 32 bytes; seals what must be read again, and other keys are derived from it. */
  readonly encryptionKey: Buffer;
  /** Of the embedded database. */
  readonly postgresPassword: string;
}

/**
 * The secrets given by the environment and, for those not given, `secrets.json` (mode 0600) in the data folder,
 * written once: of any number of processes that start at once, all get the same.
 */
export async function loadSecrets(config: Config): Promise<Secrets> {
  const { jwtSecret, encryptionKey } = config.secrets;
  const needsFile = !jwtSecret || !encryptionKey || !config.databaseUrl;
  const kept = needsFile ? await readOrCreate(config.dataDirectory) : undefined;
  return {
    jwtSecret: jwtSecret ?? kept?.jwtSecret ?? '',
    encryptionKey: Buffer.from(encryptionKey ?? kept?.encryptionKey ?? '', 'base64'),
    postgresPassword: kept?.postgresPassword ?? '',
  };
}

async function readOrCreate(directory: string): Promise<z.output<typeof secretsFile>> {
  const path = join(directory, 'secrets.json');
  const found = await readSecrets(path);
  if (found) return found;
  await mkdir(directory, { recursive: true });
  const fresh = {
    jwtSecret: randomBytes(48).toString('base64'),
    encryptionKey: randomBytes(32).toString('base64'),
    postgresPassword: randomBytes(24).toString('base64url'),
  };
  const draft = join(directory, `.secrets.${randomBytes(8).toString('hex')}`);
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(fresh, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // A link, not a rename: whoever is second fails and reads what the first one wrote.
    await link(draft, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const written = await readSecrets(path);
  if (!written) throw new Error(`${path} cannot be read`);
  return written;
}

async function readSecrets(path: string): Promise<z.output<typeof secretsFile> | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const parsed = secretsFile.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${path} does not hold the secrets that this version needs`);
  return parsed.data;
}
