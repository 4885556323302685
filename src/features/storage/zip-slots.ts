import { AppError } from '../../errors/app-error.ts';

const MAX_AT_ONCE = 4;
const RETRY_AFTER_SECONDS = 5;

/** How many archives one holder has under way in this process: each keeps its names, and reads ahead. */
export class ZipSlots {
  readonly #taken = new Map<string, number>();

  /** Answers what gives the slot back, once however often it is called. Errors: RATE_LIMITED (four are under way). */
  take(holder: string): () => void {
    const taken = this.#taken.get(holder) ?? 0;
    if (taken >= MAX_AT_ONCE) throw tooMany();
    this.#taken.set(holder, taken + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#taken.get(holder) ?? 1) - 1;
      if (left > 0) this.#taken.set(holder, left);
      else this.#taken.delete(holder);
    };
  }
}

function tooMany(): AppError {
  return new AppError('RATE_LIMITED', {
    message: `${MAX_AT_ONCE} ZIPs are being sent already; wait for one to end`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
