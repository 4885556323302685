import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { inBlocks } from './body-chunks.ts';
import { StoreUnavailableError } from './errors.ts';
import { onS3 } from './s3-errors.ts';

const BLOCK_BYTES = 64 * 1024;
const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 200;

/**
 * Hands the chunks that `open` gives to one streamed request, which `send` makes with the stream and the signal it
 * gets. The SDK neither notices when a source fails nor stops a request that was answered early; here either ends
 * both, and the source's own error, or the reason of `signal`, is what is thrown.
 * Once the last chunk is handed over, `signal` no longer counts: the object is then as good as stored.
 */
export async function sendStream<T>(
  key: string,
  source: {
    readonly open: (signal: AbortSignal) => AsyncIterable<Buffer>;
    readonly signal?: AbortSignal | undefined;
  },
  send: (body: Readable, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  source.signal?.throwIfAborted();
  const controller = new AbortController();
  const failures: unknown[] = [];
  const fail = (error: unknown): void => {
    failures.push(error);
    controller.abort(error);
  };
  const onAbort = (): void => fail(source.signal?.reason);
  source.signal?.addEventListener('abort', onAbort, { once: true });
  const over = Promise.withResolvers<void>();
  // A source that fails ends the request by its signal, never by an error of the stream: in the mode `when_supported`
  // the SDK puts a stream of its own between, whose error nobody listens to, and that would end the process.
  const watched = async function* (): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* inBlocks(source.open(controller.signal), BLOCK_BYTES);
      source.signal?.removeEventListener('abort', onAbort);
    } catch (error) {
      fail(error);
      await over.promise;
    }
  };
  const body = Readable.from(watched(), { objectMode: false });
  try {
    return await onS3(key, () => send(body, controller.signal));
  } catch (error) {
    throw failures.length > 0 ? failures[0] : error;
  } finally {
    // Ends a request that was answered before all was sent, and a source that still waits for its next chunk.
    source.signal?.removeEventListener('abort', onAbort);
    controller.abort();
    body.destroy();
    over.resolve();
  }
}

/** Tries again, up to three times in all, what failed because the store was not available. */
export async function withRetries<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || tried === ATTEMPTS) throw error;
    }
    await sleep(FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    signal?.throwIfAborted();
  }
}
