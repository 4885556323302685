import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClamdScanner, type ScanVerdict, type VirusScanner } from '../../src/platform/antivirus/clamd.ts';
import { AntivirusUnavailableError } from '../../src/platform/antivirus/errors.ts';
import { CLAMD_HINT, type Clamd, EICAR, hasClamd, makeClamd, SIGNATURE, STREAM_MAX_BYTES } from '../support/clamd.ts';

async function scan(scanner: VirusScanner, chunks: Iterable<Buffer>): Promise<ScanVerdict> {
  const scanning = scanner.begin();
  for (const chunk of chunks) await scanning.write(chunk);
  return scanning.end();
}

describe.runIf(hasClamd())(`a real clamd (${CLAMD_HINT})`, () => {
  let clamd: Clamd;
  beforeAll(async () => {
    clamd = await makeClamd();
  });
  afterAll(() => clamd.remove());

  it.each(['tcpUrl', 'unixUrl'] as const)('tells clean from infected over its %s', async (url) => {
    const scanner = new ClamdScanner({ url: clamd[url] });
    expect(await scan(scanner, [Buffer.from('hello')])).toEqual({ outcome: 'clean' });
    expect(await scan(scanner, [])).toEqual({ outcome: 'clean' });
    expect(await scan(scanner, [EICAR.subarray(0, 10), Buffer.alloc(0), EICAR.subarray(10)])).toEqual({
      outcome: 'infected',
      signature: `${SIGNATURE}.UNOFFICIAL`,
    });
  });

  it.each(['tcpUrl', 'unixUrl'] as const)('says that a content is too large, and takes its rest (%s)', async (url) => {
    const scanner = new ClamdScanner({ url: clamd[url] });
    for (let round = 0; round < 5; round += 1) {
      const chunks = Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024, 7));
      expect(await scan(scanner, chunks)).toEqual({ outcome: 'too_large' });
    }
  });

  it('takes many at once, to the byte that it may', async () => {
    const scanner = new ClamdScanner({ url: clamd.tcpUrl });
    const chunks = [Buffer.alloc(STREAM_MAX_BYTES - EICAR.length, 7), EICAR];
    const verdicts = await Promise.all(Array.from({ length: 12 }, () => scan(scanner, chunks)));
    for (const { outcome } of verdicts) expect(outcome).toBe('infected');
  });

  it('is not there any more once it has been ended, and there again', async () => {
    const scanner = new ClamdScanner({ url: clamd.tcpUrl });
    const begun = scanner.begin();
    await begun.write(Buffer.from('x'));
    await clamd.stop();
    await expect(begun.end()).rejects.toThrow(AntivirusUnavailableError);
    await expect(scan(scanner, [EICAR])).rejects.toThrow(AntivirusUnavailableError);
    await clamd.start();
    expect(await scan(scanner, [EICAR])).toMatchObject({ outcome: 'infected' });
  });
});

describe('a scanner that fails', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  async function scannerOn(serve: (socket: Socket) => void): Promise<VirusScanner> {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return new ClamdScanner({ url: `tcp://127.0.0.1:${port}`, idleMs: 200, answerMs: 200 });
  }
  const large = Array.from({ length: 256 }, () => Buffer.alloc(64 * 1024));

  it.each<readonly [string, (socket: Socket) => void]>([
    ['hangs', (socket) => socket.resume()],
    ['reads nothing', (socket) => socket.pause()],
    ['answers half', (socket) => socket.resume().end('stream: O')],
    ['answers half and hangs', (socket) => socket.resume().write('stream: O')],
    ['hangs up', (socket) => socket.destroy()],
    ['hangs up in the middle', (socket) => socket.once('data', () => socket.resetAndDestroy())],
    ['has an error of its own', (socket) => socket.resume().write("stream: Can't allocate memory ERROR\0")],
    ['talks nonsense', (socket) => socket.resume().write('220 mail.example.com ESMTP\r\n\0')],
    ['talks for ever', (socket) => socket.resume().write('x'.repeat(100_000))],
  ])('and %s has no verdict, and never says clean', async (_how, serve) => {
    const scanner = await scannerOn(serve);
    await expect(scan(scanner, [Buffer.from('x')])).rejects.toThrow(AntivirusUnavailableError);
    await expect(scan(scanner, large)).rejects.toThrow(AntivirusUnavailableError);
  });

  it('and is given up lets go of its connection', async () => {
    const closed = new Promise((resolve) => {
      void scannerOn((socket) => socket.resume().once('close', resolve)).then(async (scanner) => {
        const scanning = scanner.begin();
        await scanning.write(Buffer.from('x'));
        scanning.abort();
        await expect(scanning.end()).rejects.toThrow(AntivirusUnavailableError);
      });
    });
    await closed;
  });

  it('and is not there at all has no verdict', async () => {
    const scanner = new ClamdScanner({ url: 'unix:///nowhere/clamd.sock' });
    await expect(scan(scanner, large)).rejects.toThrow(AntivirusUnavailableError);
  });
});
