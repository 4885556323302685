import { ReservationRepository } from '../features/ledger/index.ts';
import { LinkRepository, LinkService, linkRoutes } from '../features/sharing/index.ts';
import type { Basis } from './basis.ts';

/** Public links, on the owner's side and on everybody's. */
export function composeLinks({ database, uow, audit, passwordHasher, clock }: Basis) {
  const reservations = new ReservationRepository();
  const links = new LinkService({
    uow,
    links: new LinkRepository(database),
    reservations,
    audit,
    passwordHasher,
    clock,
  });
  return { routes: linkRoutes(links) };
}
