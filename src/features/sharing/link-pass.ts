import { createHmac, timingSafeEqual } from 'node:crypto';

const PASS_TTL_MS = 3_600_000;

/** What shows for an hour that somebody knew the password of a link. */
export interface LinkPass {
  readonly value: string;
  readonly expiresAt: Date;
}

interface Locked {
  readonly id: string;
  readonly passwordHash: string | null;
}

/** Passes for browsers, so that the password is typed once: `<expiry>.<HMAC over link, password hash and expiry>`. */
export class LinkPasses {
  readonly #key: Buffer;

  /** 32 bytes, for nothing else. */
  constructor(key: Buffer) {
    this.#key = key;
  }

  issue(link: Locked, now: Date): LinkPass {
    const expiresAt = new Date(now.getTime() + PASS_TTL_MS);
    return { value: `${expiresAt.getTime()}.${this.#mac(link, expiresAt.getTime()).toString('base64url')}`, expiresAt };
  }

  /** Whether this is a pass for the link as it is now. */
  isGood(link: Locked, value: string, now: Date): boolean {
    const [, expiry = '', mac = ''] = /^(\d{1,15})\.([\w-]{43})$/.exec(value) ?? [];
    if (!(Number(expiry) > now.getTime())) return false;
    return timingSafeEqual(Buffer.from(mac, 'base64url'), this.#mac(link, Number(expiry)));
  }

  #mac({ id, passwordHash }: Locked, expiry: number): Buffer {
    return createHmac('sha256', this.#key).update(`${id}\n${passwordHash}\n${expiry}`).digest();
  }
}
