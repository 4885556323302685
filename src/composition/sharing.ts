import { ReservationRepository } from '../features/ledger/index.ts';
import {
  LinkRepository,
  LinkService,
  linkRoutes,
  ReceivedShareRepository,
  ReceivedShareService,
  receivedShareRoutes,
  registerShareJobs,
  ShareRepository,
  ShareService,
  shareRoutes,
} from '../features/sharing/index.ts';
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

/** Shares with people, given and received. */
export function composeShares({ database, queue, uow, users, audit, clock }: Basis) {
  const received = new ReceivedShareService({
    uow,
    received: new ReceivedShareRepository(database),
    audit,
    queue,
    clock,
  });
  const shares = new ShareService({ uow, shares: new ShareRepository(database), users, audit, clock });
  registerShareJobs(queue, received);
  return { received, routes: [...shareRoutes(shares), ...receivedShareRoutes(received)] };
}
