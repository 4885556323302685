import {
  AccountDeletionService,
  AccountErasureService,
  accountRoutes,
  DeletionRepository,
  ErasureRepository,
  registerAccountJobs,
} from '../features/account/index.ts';
import { AdminUserRepository, AdminUserService, adminUserRoutes } from '../features/admin/index.ts';
import type { ApiKeyService } from '../features/api-keys/index.ts';
import { TombstoneRepository } from '../features/ledger/index.ts';
import {
  PhotoService,
  ProfileRepository,
  ProfileService,
  photoRoutes,
  profileRoutes,
} from '../features/profile/index.ts';
import { ImageConverter } from '../platform/images/image-converter.ts';
import type { Basis } from './basis.ts';
import type { composeSignIn } from './sign-in.ts';

const IMAGES = { concurrency: 2, maxWaiting: 20 } as const;

/** Accounts as their owners and admins see, change and end them. */
export function composeAccounts(basis: Basis, signIn: ReturnType<typeof composeSignIn>, keys: ApiKeyService) {
  const { config, database, store, budget, queue, log, uow, users, audit, mail, clock } = basis;
  const { sessions, verification, passwordCheck } = signIn;
  const profiles = new ProfileRepository(database);
  const profile = new ProfileService({ uow, profiles, users, keys, verification, audit, mail, clock });
  const tombstones = new TombstoneRepository(database);
  const images = new ImageConverter(IMAGES);
  const photos = new PhotoService({ uow, profiles, tombstones, audit, images, store, budget, clock });
  const accounts = new AdminUserRepository(database);
  const adminUsers = new AdminUserService({ uow, accounts, users, sessions, audit, clock });
  const deletions = new AccountDeletionService({
    uow,
    deletions: new DeletionRepository(database),
    users,
    sessions,
    passwords: passwordCheck,
    audit,
    mail,
    queue,
    clock,
    graceDays: config.retention.accountDeletionGraceDays,
  });
  const repository = new ErasureRepository(database);
  registerAccountJobs(queue, new AccountErasureService({ uow, repository, audit, queue, clock, log }));
  return {
    routes: [
      ...profileRoutes(profile),
      ...photoRoutes(photos),
      ...accountRoutes(deletions),
      ...adminUserRoutes(adminUsers, deletions),
    ],
  };
}
