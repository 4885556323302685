import { LOCK_OUT, LoginGuard } from '../features/auth/index.ts';
import { ReservationRepository } from '../features/ledger/index.ts';
import {
  LinkDoorService,
  LinkDropService,
  LinkPasses,
  LinkRepository,
  LinkService,
  linkRoutes,
  PublicLinkRepository,
  PublicLinkService,
  publicLinkRoutes,
  ReceivedShareRepository,
  ReceivedShareService,
  receivedShareRoutes,
  registerShareJobs,
  ShareRepository,
  ShareService,
  shareRoutes,
} from '../features/sharing/index.ts';
import { deriveKey } from '../platform/crypto/seal.ts';
import { RateLimiter } from '../platform/rate-limit/rate-limiter.ts';
import type { Basis } from './basis.ts';
import type { composeFiles } from './files.ts';

/** Public links, on the owner's side and on everybody's. */
export function composeLinks(basis: Basis, files: ReturnType<typeof composeFiles>) {
  const { database, uow, audit, passwordHasher, sealer, secrets, clock, log } = basis;
  const owned = new LinkService({
    uow,
    links: new LinkRepository(database),
    reservations: new ReservationRepository(database),
    audit,
    passwordHasher,
    clock,
  });
  const links = new PublicLinkRepository(database);
  const guesses = RateLimiter.shared('link', LOCK_OUT, { database, remembersRefusals: false });
  const door = new LinkDoorService({
    links,
    passwordHasher,
    guard: new LoginGuard(guesses, ''),
    passes: new LinkPasses(deriveKey(secrets.encryptionKey, 'link-pass')),
    clock,
  });
  const { storage, folders, levels, reading, zips, ingest } = files;
  const open = new PublicLinkService({ links, storage, folders, levels, reading, zips, sealer, clock });
  const drops = new LinkDropService({ door, links, ingest, clock, log });
  return { routes: [...linkRoutes(owned), ...publicLinkRoutes({ door, links: open, drops })] };
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
