import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { AntivirusUnavailableError } from './errors.ts';

const DEFAULT_PORT = 3310;
const MAX_REPLY_BYTES = 4096;
const PROBE_MS = 2_000;
const DEFAULTS = { idleMs: 60_000, answerMs: 10 * 60_000 } as const;

/** What a scan has shown; `too_large`: more than clamd takes (its `StreamMaxLength`). */
export type ScanVerdict =
  | { readonly outcome: 'clean' }
  | { readonly outcome: 'infected'; readonly signature: string }
  | { readonly outcome: 'too_large' };

export interface ClamdOptions {
  /** `tcp://host:port` (3310 unless told) or `unix:///path`. */
  readonly url: string;
  /** How long nothing may move while connecting and sending. */
  readonly idleMs?: number;
  /** How long the verdict may take once all is sent; clamd has a limit of its own (`MaxScanTime`). */
  readonly answerMs?: number;
}

/** A content on its way through the scanner: `write` all of it, then `end`. */
export interface Scan {
  /**
   * Resolves when there is room for more. Once the scanner has made up its mind before the end, it takes what comes and
   * does nothing. Errors: `AntivirusUnavailableError`.
   */
  write(chunk: Buffer): Promise<void>;
  /** Errors: `AntivirusUnavailableError`. */
  end(): Promise<ScanVerdict>;
  /** Gives it up; safe after everything. */
  abort(): void;
}

/** Scans contents for viruses. */
export interface VirusScanner {
  begin(): Scan;
}

/** clamd, by its command INSTREAM (clamd(8)): one connection a scan, nothing kept but the chunk that is being sent. */
export class ClamdScanner implements VirusScanner {
  readonly #address: NetConnectOpts;
  readonly #timeouts: Required<Omit<ClamdOptions, 'url'>>;

  constructor({ url, ...timeouts }: ClamdOptions) {
    const { protocol, hostname, port, pathname } = new URL(url);
    this.#address =
      protocol === 'unix:'
        ? { path: decodeURIComponent(pathname) }
        : { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || DEFAULT_PORT };
    this.#timeouts = { ...DEFAULTS, ...timeouts };
  }

  begin(): Scan {
    return new ClamdScan(() => connect(this.#address), this.#timeouts);
  }
}

class ClamdScan implements Scan {
  readonly #socket: Socket;
  readonly #answerMs: number;
  readonly #verdict: Promise<ScanVerdict>;
  #settled = false;
  #sentBytes = 0;

  constructor(open: () => Socket, { idleMs, answerMs }: Required<Omit<ClamdOptions, 'url'>>) {
    const socket = open();
    this.#socket = socket;
    this.#answerMs = answerMs;
    this.#verdict = verdictFrom(socket)
      .catch(async (error: unknown) => {
        // clamd says that it is too much and hangs up; whoever is just writing then loses what it said, and asks again.
        if (
          error instanceof BrokenOffError &&
          this.#sentBytes > 0 &&
          (await isTooMuch(open(), this.#sentBytes, idleMs))
        ) {
          return { outcome: 'too_large' } as const;
        }
        throw error;
      })
      .finally(() => {
        this.#settled = true;
        socket.destroy();
      });
    // Whoever writes or ends hears of it.
    this.#verdict.catch(() => undefined);
    socket.setTimeout(idleMs);
    socket.write('zINSTREAM\0');
  }

  async write(chunk: Buffer): Promise<void> {
    if (chunk.length === 0) return;
    if (!this.#settled && !this.#socket.destroyed) {
      this.#sentBytes += chunk.length;
      this.#socket.cork();
      this.#socket.write(lengthOf(chunk.length));
      // Also called when the connection has broken.
      const sent = new Promise<void>((resolve) => this.#socket.write(chunk, () => resolve()));
      this.#socket.uncork();
      await sent;
    }
    if (this.#socket.destroyed) await this.#verdict;
  }

  end(): Promise<ScanVerdict> {
    if (!this.#socket.destroyed) {
      this.#socket.setTimeout(this.#answerMs);
      this.#socket.write(lengthOf(0));
    }
    return this.#verdict;
  }

  abort(): void {
    this.#socket.destroy();
  }
}

/** The connection ended before the answer. */
class BrokenOffError extends AntivirusUnavailableError {}

/** Whether clamd refuses a chunk of that length when it is announced; to one that it takes it says nothing. */
async function isTooMuch(socket: Socket, bytes: number, idleMs: number): Promise<boolean> {
  socket.setTimeout(Math.min(idleMs, PROBE_MS));
  socket.write('zINSTREAM\0');
  socket.write(lengthOf(bytes));
  try {
    return (await verdictFrom(socket)).outcome === 'too_large';
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Math.min(bytes, 0xffff_ffff));
  return length;
}

/** What the other side answers; it may do so before it has been sent everything. */
function verdictFrom(socket: Socket): Promise<ScanVerdict> {
  return new Promise((resolve, reject) => {
    let reply = '';
    const fail = (message: string) => reject(new AntivirusUnavailableError(message));
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      reply += text;
      const end = reply.indexOf('\0');
      if (end < 0 && reply.length <= MAX_REPLY_BYTES) return;
      const verdict = end < 0 ? null : verdictOf(reply.slice(0, end));
      if (verdict) resolve(verdict);
      else fail(`clamd answered ${JSON.stringify(reply.slice(0, 200))}`);
    });
    socket.on('timeout', () => fail('clamd did not answer in time'));
    socket.on('error', (cause) => reject(new BrokenOffError('clamd cannot be reached', { cause })));
    socket.on('close', () => reject(new BrokenOffError('clamd ended the connection without an answer')));
  });
}

/** null for what is no verdict, such as an error of clamd's own. */
function verdictOf(reply: string): ScanVerdict | null {
  if (reply === 'stream: OK') return { outcome: 'clean' };
  const [, signature] = /^stream: (.+) FOUND$/.exec(reply) ?? [];
  if (signature !== undefined) return { outcome: 'infected', signature };
  return reply.startsWith('INSTREAM size limit exceeded') ? { outcome: 'too_large' } : null;
}
