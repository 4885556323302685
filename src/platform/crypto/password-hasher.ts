import bcrypt from 'bcrypt';
import pLimit from 'p-limit';

/** bcrypt's limit: what lies beyond is ignored by the algorithm, so longer passwords are refused. */
export const MAX_PASSWORD_BYTES = 72;

/** More hashes are waiting than can be computed in useful time. */
export class HasherBusyError extends Error {
  override readonly name = 'HasherBusyError';
}

export interface PasswordHasherOptions {
  /** log2 of the rounds, 4..31. */
  readonly cost: number;
  /** Hashes at once; each takes one thread of the pool that file access needs too. */
  readonly concurrency: number;
  /** How many may wait; more are refused with `HasherBusyError`. */
  readonly maxWaiting: number;
}

/** bcrypt behind a bounded queue, so that a flood of logins cannot starve file access or pile up. */
export class PasswordHasher {
  readonly #cost: number;
  readonly #maxWaiting: number;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #decoy: Promise<string>;

  constructor(options: PasswordHasherOptions) {
    this.#cost = options.cost;
    this.#maxWaiting = options.maxWaiting;
    this.#limit = pLimit(options.concurrency);
    this.#decoy = bcrypt.hash('no password', options.cost);
  }

  hash(password: string): Promise<string> {
    return this.#run(() => bcrypt.hash(password, this.#cost));
  }

  /** Compares in one time whether there is a hash or not: `null` stands for an unknown account and is always false. */
  async verify(password: string, hash: string | null): Promise<boolean> {
    const against = hash ?? (await this.#decoy);
    const equal = await this.#run(() => bcrypt.compare(password, against));
    return hash !== null && equal;
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#limit.pendingCount >= this.#maxWaiting)
      return Promise.reject(new HasherBusyError('too many hashes wait'));
    return this.#limit(work);
  }
}

/** Why a password can't be hashed faithfully, or null: over 72 bytes or with NUL bcrypt would see another one. */
export function passwordFault(password: string): string | null {
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) return `must be at most ${MAX_PASSWORD_BYTES} bytes`;
  return password.includes('\0') ? 'must not contain NUL' : null;
}
