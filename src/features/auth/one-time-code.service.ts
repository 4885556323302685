import { createHmac, timingSafeEqual } from 'node:crypto';
import { newOneTimeCode } from '../../platform/crypto/random.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import { comparisonKey, type User } from '../users/index.ts';
import type { CodePolicy, CodePurpose, OneTimeCodeRepository } from './one-time-code.repository.ts';

/** Of all codes: 10 minutes, 5 tries that a resend does not renew, one mail a minute. */
export const CODE_POLICY: CodePolicy = { maxAttempts: 5, resendAfterMs: 60_000, windowMs: 10 * 60_000 };

/** Stands for an account that does not exist; no account has this id, and no mail goes to this address. */
const NOBODY = { id: '00000000-0000-0000-0000-000000000000', email: '' };

export interface OneTimeCodeDependencies {
  readonly codes: OneTimeCodeRepository;
  /** 32 bytes: without it, the hash of six digits would tell the digits. */
  readonly codeKey: Buffer;
}

/** What a code is for, and whose it is. */
export interface CodeSubject {
  readonly purpose: CodePurpose;
  readonly user: Pick<User, 'id' | 'email'>;
}

/** `none`: no living code or no try is left. `codeHash` names the right one, to consume it. */
export type Guess =
  | { readonly outcome: 'right'; readonly codeHash: Uint8Array<ArrayBuffer> }
  | { readonly outcome: 'wrong' }
  | { readonly outcome: 'none' };

/** Six digits by mail, as proof of an address or in place of a password. */
export class OneTimeCodeService {
  readonly #deps: OneTimeCodeDependencies;

  constructor(deps: OneTimeCodeDependencies) {
    this.#deps = deps;
  }

  /** A new code that counts as sent at `at`; null when the last one is too young or the tries are used up. */
  async issue(
    tx: Tx,
    { purpose, user }: CodeSubject,
    at: Date,
  ): Promise<{ readonly code: string; readonly expiresAt: Date } | null> {
    const code = newOneTimeCode();
    const codeHash = this.#hash({ purpose, user }, code);
    const expiresAt = await this.#deps.codes.put(tx, { userId: user.id, purpose, codeHash, now: at }, CODE_POLICY);
    return expiresAt === null ? null : { code, expiresAt };
  }

  /** Takes one try and looks at the code. Without a user it does all the same, and is never right. */
  async guess(
    purpose: CodePurpose,
    user: CodeSubject['user'] | null,
    attempt: { readonly code: string; readonly now: Date },
  ): Promise<Guess> {
    const subject = { purpose, user: user ?? NOBODY };
    const wanted = await this.#deps.codes.takeTry(subject.user.id, purpose, CODE_POLICY, attempt.now);
    const given = this.#hash(subject, attempt.code);
    const equal = timingSafeEqual(given, wanted ?? new Uint8Array(given.length));
    if (wanted === null || user === null) return { outcome: 'none' };
    return equal ? { outcome: 'right', codeHash: given } : { outcome: 'wrong' };
  }

  /** Bound to purpose, account and address, so that a code proves no other address than the one it was sent to. */
  #hash({ purpose, user }: CodeSubject, code: string): Uint8Array<ArrayBuffer> {
    const text = [purpose, user.id, comparisonKey(user.email), code].join('\n');
    return new Uint8Array(createHmac('sha256', this.#deps.codeKey).update(text).digest());
  }
}
