import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/** How long to wait for the lock, and what to call once when it isn't free at once. */
export interface ProcessLockOptions {
  /** Default 600 000 (ten minutes: a crash recovery may run under the lock). */
  readonly timeoutMs?: number;
  readonly onWait?: () => void;
}

const SQLITE_BUSY = 5;
const POLL_MS = 10;

/**
 * Runs `task` while no other process on this machine runs one under the same lock file, and gives its result.
 *
 * The file is an empty SQLite database that is held by `BEGIN EXCLUSIVE`, that is, by a lock of the kernel on the open
 * file. A lock file with a pid in it would need to guess whether its owner is still alive (pids are reused, and mean
 * nothing in another container); the kernel knows: the lock ends with the process, by `kill -9` too, so there is no stale
 * lock to find and nobody to race for it. The file itself stays and means nothing.
 *
 * Not reentrant: a task that takes its own lock waits until `timeoutMs`. Waiters are served in no particular order.
 * @throws Error when the file cannot be opened, or when the lock isn't free within `timeoutMs`; else what `task` throws
 */
export async function withProcessLock<T>(
  path: string,
  task: () => Promise<T>,
  options: ProcessLockOptions = {},
): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 600_000);
  const lock = open(path);
  try {
    let waited = false;
    while (!tryLock(lock, path)) {
      if (performance.now() > deadline) throw new Error(`Another process has held ${path} for too long`);
      if (!waited) options.onWait?.();
      waited = true;
      // SQLite's own busy timeout would block the event loop. The jitter keeps waiters from moving in step.
      await delay(POLL_MS + Math.random() * POLL_MS);
    }
    return await task();
  } finally {
    lock.close();
  }
}

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    throw new Error(`The lock file ${path} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

function tryLock(lock: DatabaseSync, path: string): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === SQLITE_BUSY) return false;
    throw new Error(`The lock file ${path} cannot be locked: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
