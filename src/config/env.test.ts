import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './env.ts';

function faultsOf(variables: Record<string, string>): readonly string[] {
  try {
    loadConfig(variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('needs nothing', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      production: false,
      role: 'all',
      objectStore: { kind: 'disk' },
      mail: { kind: 'outbox' },
    });
    expect(config.http).toMatchObject({ port: 8080, host: '0.0.0.0', trustProxy: false, corsOrigins: [] });
    expect(config.limits).toEqual({
      maxFileBytes: 5 * 1024 ** 4,
      allowedTypes: [],
      blockedExtensions: [],
      driveQuotaBytes: 5 * 1024 ** 3,
      driveQuotaObjects: 10_000,
    });
  });

  it('names every fault in a line of its own', () => {
    const faults = faultsOf({ PORT: 'http', DATABASE_URL: 'mysql://x', ENCRYPTION_KEY: 'short', ROLE: 'boss' });
    expect(faults.map((line) => line.split(':')[0])).toEqual(['PORT', 'DATABASE_URL', 'ENCRYPTION_KEY', 'ROLE']);
  });

  it('wants both secrets in production, a line each', () => {
    expect(faultsOf({ NODE_ENV: 'production' }).map((line) => line.split(':')[0])).toEqual([
      'JWT_SECRET',
      'ENCRYPTION_KEY',
    ]);
    const secrets = { JWT_SECRET: 'x'.repeat(32), ENCRYPTION_KEY: Buffer.alloc(32).toString('base64') };
    expect(loadConfig({ NODE_ENV: 'production', ...secrets }).production).toBe(true);
  });

  it('believes named proxies and never all of them', () => {
    expect(loadConfig({ TRUST_PROXY: '2' }).http.trustProxy).toBe(2);
    expect(loadConfig({ TRUST_PROXY: '10.0.0.0/8, 127.0.0.1' }).http.trustProxy).toEqual(['10.0.0.0/8', '127.0.0.1']);
    expect(faultsOf({ TRUST_PROXY: 'true' })).toHaveLength(1);
  });

  it('takes an empty value for an absent one, and path style for granted with an endpoint', () => {
    expect(loadConfig({ PORT: '', S3_BUCKET_NAME: '' })).toMatchObject({
      http: { port: 8080 },
      objectStore: { kind: 'disk' },
    });
    const s3 = loadConfig({ S3_BUCKET_NAME: 'bucket', S3_ENDPOINT: 'http://127.0.0.1:9000' });
    expect(s3.objectStore).toMatchObject({ kind: 's3', forcePathStyle: true, checksums: 'when_supported' });
    expect(faultsOf({ S3_ENDPOINT: 'http://127.0.0.1:9000' })).toHaveLength(1);
    expect(faultsOf({ AWS_ACCESS_KEY_ID: 'only one' })).toHaveLength(1);
  });

  it('takes types and endings as they are written, and refuses what is none', () => {
    expect(
      loadConfig({ ALLOWED_TYPES: 'Image/*, application/pdf', BLOCKED_EXTENSIONS: '.EXE,bat,.tar.gz' }),
    ).toMatchObject({
      limits: { allowedTypes: ['image/*', 'application/pdf'], blockedExtensions: ['exe', 'bat', 'tar.gz'] },
    });
    expect(faultsOf({ ALLOWED_TYPES: 'image', BLOCKED_EXTENSIONS: 'a/b' })).toHaveLength(2);
  });

  it('takes a scanner by its host or its socket', () => {
    for (const url of ['tcp://clamd:3310', 'tcp://[::1]:3310', 'unix:///run/clamav/clamd.ctl']) {
      expect(loadConfig({ CLAMD_URL: url }).clamdUrl).toBe(url);
    }
    for (const url of ['clamd:3310', 'http://clamd', 'unix://run/clamd', 'tcp://']) {
      expect(faultsOf({ CLAMD_URL: url })).toHaveLength(1);
    }
  });

  it('reads what .env.example names, and that file is a valid environment', () => {
    const text = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const example = Object.fromEntries(
      text.split('\n').flatMap((line) => (/^[A-Z]/.test(line) ? [line.split(/=(.*)/).slice(0, 2)] : [])),
    );
    expect(loadConfig(example)).toEqual(loadConfig({}));
    const source = readFileSync(new URL('./env.ts', import.meta.url), 'utf8');
    const read = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(([, name]) => name);
    expect(Object.keys(example).sort()).toEqual(read.sort());
  });
});
