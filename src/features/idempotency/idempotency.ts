/** One try at what a key stands for. What it does is marked with it; once another try has begun, it can do nothing more. */
export interface IdempotencyAttempt {
  readonly id: string;
  readonly attempt: number;
  /** For what the answer holds and nothing else does: it is kept with the mark until the answer is. */
  readonly seal: (secret: object) => Buffer;
}

/** How the database knows an attempt. */
export type AttemptRef = Omit<IdempotencyAttempt, 'seal'>;

/** A request that came with a key. */
export interface KeyedRequest {
  /** Who asks for what; keys of different scopes have nothing to do with each other. */
  readonly scope: string;
  readonly key: string;
  /** Whose account it is erased with; null where nobody is known. */
  readonly userId: string | null;
  /** Of what is asked for; null where its body is yet to come. */
  readonly fingerprint: Buffer | null;
}

/** An answer, to be given again as it was. */
export interface StoredReply {
  readonly status: number;
  readonly message: string;
  readonly data: unknown;
  readonly meta: Readonly<Record<string, unknown>> | null;
}

/** What an attempt has made, as its audit entry names it. */
export interface MadeSubject {
  readonly type: string | null;
  readonly id: string | null;
}

/** An effect whose answer was lost. */
export interface Effect {
  readonly subject: MadeSubject;
  /** What of the answer could not be found anywhere else. */
  readonly secret: unknown;
}

/**
 * `run`: do it, as this attempt. `done`: it was done, and this was the answer. `made`: it was done, and its answer was lost.
 * Of what was done, the fingerprint, where it is known.
 */
export type Begun =
  | { readonly kind: 'run'; readonly attempt: IdempotencyAttempt }
  | {
      readonly kind: 'done';
      readonly reply: StoredReply;
      readonly subject: MadeSubject;
      readonly fingerprint: Buffer | null;
    }
  | { readonly kind: 'made'; readonly effect: Effect; readonly fingerprint: Buffer | null };

/** How a key stands when it is claimed. */
export type Claim =
  | { readonly outcome: 'claimed'; readonly attempt: AttemptRef }
  | { readonly outcome: 'reused' }
  | { readonly outcome: 'under_way'; readonly waitSeconds: number }
  | {
      readonly outcome: 'done';
      readonly id: string;
      readonly subject: MadeSubject;
      readonly status: number;
      readonly reply: Buffer;
      readonly fingerprint: Buffer | null;
    }
  | {
      readonly outcome: 'made';
      readonly id: string;
      readonly subject: MadeSubject;
      readonly secret: Buffer | null;
      readonly fingerprint: Buffer | null;
    };
