import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CLAMD = '/usr/sbin/clamd';

/** What a skipped suite says, so that nobody takes it for a passed one. */
export const CLAMD_HINT = 'needs: apt-get install --no-install-recommends clamav-daemon';
export const SIGNATURE = 'Pockity.Test.Eicar';
/** More than this clamd refuses. */
export const STREAM_MAX_BYTES = 1024 * 1024;

/** The harmless file that every scanner knows; in two pieces, so that no scanner takes this one for it. */
export const EICAR = Buffer.from(`X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-${'ANTIVIRUS-TEST-FILE!$H+H*'}`);

export interface Clamd {
  readonly tcpUrl: string;
  readonly unixUrl: string;
  /** Ends the process; its address stays as it is. */
  stop(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

/** Whether clamd is installed; an error instead where `CI` is set. */
export function hasClamd(): boolean {
  try {
    accessSync(CLAMD, constants.X_OK);
    return true;
  } catch {
    if (process.env['CI']) throw new Error(`no clamd to test with; ${CLAMD_HINT}`);
    return false;
  }
}

/** A real clamd that knows one signature, on a folder of its own; not started unless told. */
export async function makeClamd({ started = true } = {}): Promise<Clamd> {
  const folder = await mkdtemp(join(tmpdir(), 'pockity-clamd-'));
  const port = await findFreePort();
  const socket = join(folder, 'clamd.sock');
  await mkdir(join(folder, 'db'));
  await writeFile(join(folder, 'db/test.ndb'), `${SIGNATURE}:0:*:${EICAR.toString('hex')}\n`);
  const config = join(folder, 'clamd.conf');
  await writeFile(
    config,
    `Foreground yes
DatabaseDirectory ${join(folder, 'db')}
TemporaryDirectory ${folder}
LocalSocket ${socket}
TCPSocket ${port}
TCPAddr 127.0.0.1
StreamMaxLength ${STREAM_MAX_BYTES}
MaxThreads 4
ExitOnOOM yes
`,
  );
  let child: ChildProcess | null = null;
  const stop = async () => {
    const ending = child;
    child = null;
    if (!ending || ending.exitCode !== null) return;
    const gone = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGKILL');
    await gone;
  };
  const start = async () => {
    const starting = spawn(CLAMD, ['--config-file', config], { stdio: ['ignore', 'pipe', 'pipe'] });
    child = starting;
    let said = '';
    starting.stdout.on('data', (text: Buffer) => (said += text));
    starting.stderr.on('data', (text: Buffer) => (said += text));
    while (!(await answers(port))) {
      if (starting.exitCode !== null) throw new Error(`clamd did not start: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  if (started) await start();
  return {
    tcpUrl: `tcp://127.0.0.1:${port}`,
    unixUrl: `unix://${socket}`,
    stop,
    start,
    remove: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Whether it says PONG. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('zPING\0'));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().startsWith('PONG'));
    });
    socket.once('error', () => resolve(false));
  });
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
