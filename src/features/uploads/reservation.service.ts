import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId, newId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { cutPageById, type Page, type PageRequest } from '../../platform/keyset.ts';
import type { AuditRepository } from '../audit/index.ts';
import type { QuotaRefusals } from '../ingest/index.ts';
import { quotaExceeded, type ReservationRepository, type SpaceReservation, type SpaceScope } from '../ledger/index.ts';

/** Open at once in a space. */
export const MAX_RESERVATIONS = 100;

export interface ReservationDependencies {
  readonly uow: UnitOfWork;
  readonly reservations: ReservationRepository;
  readonly refusals: QuotaRefusals;
  readonly audit: AuditRepository;
  readonly clock: Clock;
}

/** What is to be held, and for how long. */
export interface ReservationWish {
  readonly bytes: number;
  readonly objects: number;
  readonly ttlSeconds: number;
}

/**
 * Room that is held before the uploads that will take it, so that a batch is known to fit. Drops of links hold room by the
 * same rows; here they are not to be seen.
 */
export class ReservationService {
  readonly #deps: ReservationDependencies;

  constructor(deps: ReservationDependencies) {
    this.#deps = deps;
  }

  /** Errors: QUOTA_EXCEEDED, CONFLICT (100 are open). */
  async create(scope: SpaceScope, { bytes, objects, ttlSeconds }: ReservationWish): Promise<SpaceReservation> {
    const { uow, reservations, refusals, audit, clock } = this.#deps;
    const { space, actor, origin } = scope;
    const id = newId();
    const expiresAt = new Date(clock.now().getTime() + ttlSeconds * 1000);
    await refusals.noted(scope, null, () =>
      uow.run(async (tx) => {
        const counters = await reservations.lockSpace(tx, space.id);
        // The account was erased between authorization and here.
        if (!counters) throw new AppError('UNAUTHENTICATED');
        if ((await reservations.countOpen(tx, space.id)) >= MAX_RESERVATIONS) {
          throw new AppError('CONFLICT', {
            message: `${MAX_RESERVATIONS} reservations are open already; release one first`,
          });
        }
        const isHeld = await reservations.open(tx, space.id, { id, bytes, objects, expiresAt });
        // Read once more: what was overdue has made way meanwhile.
        if (!isHeld) throw quotaExceeded((await reservations.lockSpace(tx, space.id)) ?? counters, bytes, objects);
        await audit.append(tx, {
          action: 'reservation.create',
          actor,
          origin,
          subject: { type: 'reservation', id },
          metadata: { bytes, objects, ttlSeconds },
        });
      }),
    );
    return this.get(space.id, id);
  }

  /** Errors: RESERVATION_NOT_FOUND, also when it has expired. */
  async get(spaceId: string, id: string): Promise<SpaceReservation> {
    const found = isId(id) ? await this.#deps.reservations.find(spaceId, id) : null;
    if (!found) throw new AppError('RESERVATION_NOT_FOUND');
    return found;
  }

  /** Newest first. */
  async list(spaceId: string, { limit, cursor }: PageRequest): Promise<Page<SpaceReservation>> {
    return cutPageById(await this.#deps.reservations.list(spaceId, { cursor, limit: limit + 1 }), limit);
  }

  /** Gives back what was not drawn; uploads that have drawn go on. Answers it as it was. Errors: RESERVATION_NOT_FOUND. */
  async release({ space, actor, origin }: SpaceScope, id: string): Promise<SpaceReservation> {
    const { uow, reservations, audit } = this.#deps;
    if (!isId(id)) throw new AppError('RESERVATION_NOT_FOUND');
    return uow.run(async (tx) => {
      // What uploads draw or give back meanwhile waits.
      await reservations.lockSpace(tx, space.id);
      const released = await reservations.close(tx, space.id, id);
      if (!released) throw new AppError('RESERVATION_NOT_FOUND');
      await audit.append(tx, {
        action: 'reservation.release',
        actor,
        origin,
        subject: { type: 'reservation', id },
        metadata: { heldBytes: released.heldBytes, heldObjects: released.heldObjects },
      });
      return released;
    });
  }
}
