import { open } from 'node:fs/promises';

interface Turn {
  readonly running: Promise<void>;
  next: Promise<void> | null;
}

/**
 * Makes renames durable: `sync(directory)` resolves after an fsync of the directory that began after the call.
 * Callers that come while one is running share the next, so a burst of puts into one directory costs two or three
 * fsyncs and not one each.
 */
export class DirectorySync {
  readonly #turns = new Map<string, Turn>();
  readonly #fsync: (directory: string) => Promise<void>;

  constructor(fsync: (directory: string) => Promise<void> = fsyncDirectory) {
    this.#fsync = fsync;
  }

  sync(directory: string): Promise<void> {
    const turn = this.#turns.get(directory);
    if (!turn) return this.#start(directory);
    // The running one began before this call and may have missed its rename. Its failure is not the next one's.
    turn.next ??= turn.running.then(
      () => this.#start(directory),
      () => this.#start(directory),
    );
    return turn.next;
  }

  #start(directory: string): Promise<void> {
    const turn: Turn = { running: this.#fsync(directory), next: null };
    this.#turns.set(directory, turn);
    const forget = (): void => {
      if (this.#turns.get(directory) === turn && !turn.next) this.#turns.delete(directory);
    };
    turn.running.then(forget, forget);
    return turn.running;
  }
}

async function fsyncDirectory(directory: string): Promise<void> {
  // Windows cannot open a directory, and its NTFS journals renames by itself.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
