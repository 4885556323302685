import { execFile } from 'node:child_process';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, '../../scripts/start-rgw.sh');
const PROGRAMS = ['radosgw', 'ceph-mon', 'ceph-osd'];
const ACCESS_KEY_ID = 'pockitytest';
const SECRET_ACCESS_KEY = 'pockitytestsecret';

/** What a skipped suite says, so that nobody takes it for a passed one. */
export const S3_SERVER_HINT = 'needs: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd';

/** A running S3 server, path style, without TLS unless it is somebody's own. */
export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

/**
 * The S3 server that `POCKITY_TEST_S3_ENDPOINT` names (with `POCKITY_TEST_S3_ACCESS_KEY_ID` and
 * `POCKITY_TEST_S3_SECRET_ACCESS_KEY`), or else a Ceph RADOS gateway started for the caller, which takes some 12
 * seconds. Null where that is not installed; an error instead with `POCKITY_REQUIRE_S3=1`.
 * Every test file makes its own bucket.
 */
export async function startS3Server(): Promise<S3Server | null> {
  const endpoint = process.env['POCKITY_TEST_S3_ENDPOINT'];
  if (endpoint) {
    return {
      endpoint,
      accessKeyId: process.env['POCKITY_TEST_S3_ACCESS_KEY_ID'] ?? ACCESS_KEY_ID,
      secretAccessKey: process.env['POCKITY_TEST_S3_SECRET_ACCESS_KEY'] ?? SECRET_ACCESS_KEY,
      stop: async () => {},
    };
  }
  if (!(await isInstalled())) {
    if (process.env['POCKITY_REQUIRE_S3'] === '1') throw new Error(`no S3 server to test with; ${S3_SERVER_HINT}`);
    return null;
  }
  const directory = await mkdtemp(join(tmpdir(), 'pockity-rgw-'));
  const port = await findFreePort();
  const env = {
    ...process.env,
    RGW_ACCESS_KEY_ID: ACCESS_KEY_ID,
    RGW_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
    RGW_PARENT_PID: String(process.pid),
  };
  await run('bash', [SCRIPT, directory, String(port)], { env, timeout: 120_000 });
  return {
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    stop: async () => {
      await run('bash', [SCRIPT, '--stop', directory]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function isInstalled(): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = PROGRAMS.map((program) =>
    Promise.any(folders.map((folder) => access(join(folder, program), constants.X_OK))).then(
      () => true,
      () => false,
    ),
  );
  return (await Promise.all(found)).every(Boolean);
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (!address || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
