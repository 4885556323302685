import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A sealed text and the version of the key that opens it. */
export interface Sealed {
  readonly bytes: Buffer;
  readonly keyVersion: number;
}

/**
 * AES-256-GCM under the encryption key. `context` (what the text belongs to, for example a row's id) is bound in, so
 * that a sealed value moved to another row does not open.
 */
export class Sealer {
  readonly #key: Buffer;
  readonly #keyVersion = 1;

  constructor(encryptionKey: Buffer) {
    this.#key = deriveKey(encryptionKey, 'seal');
  }

  /** Layout: nonce (12 bytes), tag (16), cipher text. */
  seal(text: string, context: string): Sealed {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return { bytes: Buffer.concat([nonce, cipher.getAuthTag(), body]), keyVersion: this.#keyVersion };
  }

  /** Throws when the key, the context or a byte is not the one of `seal`. */
  open(sealed: Sealed, context: string): string {
    if (sealed.keyVersion !== this.#keyVersion) throw new Error(`no encryption key of version ${sealed.keyVersion}`);
    const nonce = sealed.bytes.subarray(0, NONCE_BYTES);
    const tag = sealed.bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(context))
      .setAuthTag(tag);
    const body = sealed.bytes.subarray(NONCE_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  }
}

/** A key of 32 bytes for one purpose, derived from the encryption key (HKDF-SHA-256, RFC 5869). */
export function deriveKey(encryptionKey: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', encryptionKey, Buffer.alloc(0), `pockity:${purpose}`, 32));
}
