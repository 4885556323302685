import type { Sealed } from '../../platform/crypto/seal.ts';
import type { Database } from '../../platform/db/database.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';

export interface NewSecret {
  readonly id: string;
  /** bcrypt */
  readonly hash: string;
  /** Sealed with the secret's id as context. */
  readonly sealed: Sealed;
}

/**
 * The secrets of keys. Whoever writes holds the key's row, which `ApiKeyRepository` gives to its owner only: so there is no
 * owner in these signatures, and the order of locks is the key's row first, everywhere.
 */
export class KeySecretRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async add(tx: Tx, apiKeyId: string, secret: NewSecret, now: Date): Promise<void> {
    await tx.apiKeySecret.create({
      data: {
        id: secret.id,
        apiKeyId,
        secretHash: secret.hash,
        sealedSecret: new Uint8Array(secret.sealed.bytes),
        sealKeyVersion: secret.sealed.keyVersion,
        createdAt: now,
      },
    });
  }

  /** Sets the end of a secret. */
  async retireAt(tx: Tx, apiKeyId: string, id: string, at: Date): Promise<void> {
    await tx.apiKeySecret.updateMany({ where: { id, apiKeyId }, data: { retiresAt: at } });
  }

  /** Ends a secret at once: its row goes, hash and sealed form with it. */
  async remove(tx: Tx, apiKeyId: string, id: string): Promise<void> {
    await tx.apiKeySecret.deleteMany({ where: { id, apiKeyId } });
  }

  /** Removes what has retired of one key. */
  async removeRetired(tx: Tx, apiKeyId: string, now: Date): Promise<void> {
    await tx.apiKeySecret.deleteMany({ where: { apiKeyId, retiresAt: { lte: now } } });
  }

  /**
   * Of all keys: removes secrets that have retired, and those of keys that were revoked before `revokedBefore`. Keys that
   * were revoked with their owner's account keep theirs: they come back with it. Answers how many went.
   */
  async purge(now: Date, revokedBefore: Date): Promise<number> {
    const { count } = await this.#database.prisma.apiKeySecret.deleteMany({
      where: {
        OR: [{ retiresAt: { lte: now } }, { apiKey: { revokedAt: { lte: revokedBefore }, revokedWithAccount: false } }],
      },
    });
    return count;
  }
}
