import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { PasswordHasher } from '../../platform/crypto/password-hasher.ts';
import { isId, newId, newSecretKey } from '../../platform/crypto/random.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import type { Tx, UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { ActingUser, AuditEntry, AuditRepository } from '../audit/index.ts';
import type { ApiKeyRepository } from './api-key.repository.ts';
import type { ApiKey, ClaimedSecret, KeySecret, RotatedSecret } from './api-key.ts';
import { assertLiving } from './key-faults.ts';
import type { KeySecretRepository, NewSecret } from './key-secret.repository.ts';

export interface KeySecretDependencies {
  readonly uow: UnitOfWork;
  readonly keys: ApiKeyRepository;
  readonly secrets: KeySecretRepository;
  readonly audit: AuditRepository;
  readonly secretHasher: PasswordHasher;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

interface KeyEvent extends Pick<AuditEntry, 'metadata' | 'secret'> {
  readonly key: ApiKey;
  readonly owner: ActingUser;
}

const MAX_LIVE_SECRETS = 2;
const HOUR_MS = 3_600_000;
/** How long the secrets of a revoked key tell where they were last used. */
const KEEP_REVOKED_MS = 30 * 24 * HOUR_MS;

/**
 * The secrets of a user's own keys: made, rotated, retired. What is not the user's is API_KEY_NOT_FOUND, as what does not
 * exist. Every change holds the key's row, so that of two at once the second sees what the first one did.
 */
export class KeySecretService {
  readonly #deps: KeySecretDependencies;

  constructor(deps: KeySecretDependencies) {
    this.#deps = deps;
  }

  /**
   * Makes the key's secret and gives it out, once: of any number of requests one gets it. ALREADY_CLAIMED; CONFLICT for a
   * key that is revoked or has expired.
   */
  async claim(owner: ActingUser, id: string): Promise<ClaimedSecret> {
    const { uow, keys, secrets, clock } = this.#deps;
    assertClaimable(await this.#get(owner.userId, id));
    const { secretKey, secret } = await this.#make();
    return uow.run(async (tx) => {
      const key = await this.#lock(tx, owner.userId, id);
      assertClaimable(key);
      const now = clock.now();
      await keys.markClaimed(tx, owner.userId, key.id, now);
      await secrets.add(tx, key.id, secret, now);
      const claimed = { accessKeyId: key.accessKeyId, secretKey };
      await this.#record(tx, 'key.claim', { key, owner, secret: claimed });
      return claimed;
    });
  }

  /**
   * Makes a second secret and gives it out once; the first one works for `overlapHours` more (0..720, 0: it ends now), or
   * as long as it had anyway if that is less. CONFLICT: not claimed yet, revoked, expired, two secrets live (details name
   * the one that retires next), or another rotation was first.
   */
  async rotate(owner: ActingUser, id: string, overlapHours: number): Promise<RotatedSecret> {
    const { uow, secrets, clock } = this.#deps;
    const seen = await this.#get(owner.userId, id);
    assertRotatable(seen);
    const { secretKey, secret } = await this.#make();
    return uow.run(async (tx) => {
      const key = await this.#lock(tx, owner.userId, id);
      assertRotatable(key);
      const [old] = key.secrets;
      // With no overlap, the second of two at once would end the secret that the first one has just given out.
      if (old?.id !== seen.secrets[0]?.id) throw rotatedMeanwhile();
      const now = clock.now();
      const oldSecretRetiresAt = old ? endOf(old, overlapHours, now) : null;
      if (old && oldSecretRetiresAt && oldSecretRetiresAt > now) {
        await secrets.retireAt(tx, key.id, old.id, oldSecretRetiresAt);
      } else if (old) {
        await secrets.remove(tx, key.id, old.id);
      }
      await secrets.removeRetired(tx, key.id, now);
      await secrets.add(tx, key.id, secret, now);
      const rotated = { accessKeyId: key.accessKeyId, secretKey, secretId: secret.id, oldSecretRetiresAt };
      await this.#record(tx, 'key.rotate', {
        key,
        owner,
        metadata: { secretId: secret.id, overlapHours },
        secret: rotated,
      });
      return rotated;
    });
  }

  /**
   * Ends one secret now; its next request fails, in every process. SECRET_NOT_FOUND, also for one that has retired;
   * CONFLICT for the only live one.
   */
  async retire(owner: ActingUser, id: string, secretId: string): Promise<ApiKey> {
    const { uow, secrets } = this.#deps;
    await uow.run(async (tx) => {
      const key = await this.#lock(tx, owner.userId, id);
      const secret = key.secrets.find((live) => live.id === secretId.toLowerCase());
      if (!secret) throw new AppError('SECRET_NOT_FOUND');
      if (key.secrets.length === 1) {
        throw new AppError('CONFLICT', { message: 'This is the only live secret: rotate it, or revoke the key' });
      }
      await secrets.remove(tx, key.id, secret.id);
      await this.#record(tx, 'key.secret_retired', { key, owner, metadata: { secretId: secret.id } });
    });
    return this.#get(owner.userId, id);
  }

  /** Removes secrets that have retired, and those of keys revoked for 30 days. Harmless at any time. */
  purge(): Promise<number> {
    const now = this.#deps.clock.now();
    return this.#deps.secrets.purge(now, new Date(now.getTime() - KEEP_REVOKED_MS));
  }

  /** bcrypt takes its time: never inside a transaction. */
  async #make(): Promise<{ secretKey: string; secret: NewSecret }> {
    const { secretHasher, sealer } = this.#deps;
    const secretKey = newSecretKey();
    const id = newId();
    return { secretKey, secret: { id, hash: await secretHasher.hash(secretKey), sealed: sealer.seal(secretKey, id) } };
  }

  async #get(userId: string, id: string): Promise<ApiKey> {
    const key = isId(id) ? await this.#deps.keys.findOwned(userId, id, this.#deps.clock.now()) : null;
    if (!key) throw new AppError('API_KEY_NOT_FOUND');
    return key;
  }

  async #lock(tx: Tx, userId: string, id: string): Promise<ApiKey> {
    const key = isId(id) ? await this.#deps.keys.lockOwned(tx, { userId, id, now: this.#deps.clock.now() }) : null;
    if (!key) throw new AppError('API_KEY_NOT_FOUND');
    return key;
  }

  async #record(
    tx: Tx,
    action: 'key.claim' | 'key.rotate' | 'key.secret_retired',
    { key, owner: { actor, origin }, ...rest }: KeyEvent,
  ): Promise<void> {
    const subject = { type: 'key', id: key.id } as const;
    await this.#deps.audit.append(tx, { action, actor, origin, accessKeyId: key.accessKeyId, subject, ...rest });
  }
}

function assertClaimable(key: ApiKey): void {
  if (key.claimedAt !== null) throw new AppError('ALREADY_CLAIMED');
  assertLiving(key);
}

function assertRotatable(key: ApiKey): void {
  assertLiving(key);
  if (key.claimedAt === null) throw new AppError('CONFLICT', { message: 'Claim the first secret before rotating it' });
  if (key.secrets.length < MAX_LIVE_SECRETS) return;
  const next = key.secrets.find(({ retiresAt }) => retiresAt !== null) ?? key.secrets.at(-1);
  throw new AppError('CONFLICT', {
    message: 'Two secrets are live: wait until one has retired, or retire one now',
    details: { secretId: next?.id ?? null, retiresAt: next?.retiresAt?.toISOString() ?? null },
  });
}

function endOf(old: KeySecret, overlapHours: number, now: Date): Date {
  const end = new Date(now.getTime() + overlapHours * HOUR_MS);
  return old.retiresAt !== null && old.retiresAt < end ? old.retiresAt : end;
}

function rotatedMeanwhile(): AppError {
  return new AppError('CONFLICT', { message: 'The key was rotated at the same moment' });
}
