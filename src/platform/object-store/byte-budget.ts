/**
 * Counts bytes of memory against one bound that all puts of the process share. Taking never waits: a put that is
 * refused spills to a file instead, so no put can block another and there is nothing to deadlock on.
 */
export class ByteBudget {
  readonly limitBytes: number;
  #heldBytes = 0;
  #highWaterBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The most that was ever held at once. */
  get highWaterBytes(): number {
    return this.#highWaterBytes;
  }

  /** True when `bytes` were free and are now the caller's, to be given back. */
  tryTake(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.limitBytes) return false;
    this.#heldBytes += bytes;
    this.#highWaterBytes = Math.max(this.#highWaterBytes, this.#heldBytes);
    return true;
  }

  giveBack(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}
