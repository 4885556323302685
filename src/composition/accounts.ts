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
import { ByteBudget } from '../platform/object-store/byte-budget.ts';
import type { Basis } from './basis.ts';
import type { composeSignIn } from './sign-in.ts';

/** One conversion takes up to 160 MiB beside the heap. */
const IMAGES = { concurrency: 1, maxWaiting: 20 } as const;
/** What photos that are coming or waiting may hold; nothing else is kept waiting by them. */
const PHOTO_BYTES = 32 * 1024 * 1024;
const PHOTO_FORM_MS = 20_000;

/** Accounts as their owners and admins see, change and end them. */
export function composeAccounts(basis: Basis, signIn: ReturnType<typeof composeSignIn>, keys: ApiKeyService) {
  const { config, database, store, queue, log, uow, users, audit, mail, clock } = basis;
  const { sessions, verification, passwordCheck } = signIn;
  const profiles = new ProfileRepository(database);
  const profile = new ProfileService({ uow, profiles, users, keys, verification, audit, mail, clock });
  const tombstones = new TombstoneRepository(database);
  const images = new ImageConverter(IMAGES);
  const budget = basis.photoForms?.budget ?? new ByteBudget(PHOTO_BYTES);
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
      ...photoRoutes(photos, basis.photoForms?.deadlineMs ?? PHOTO_FORM_MS),
      ...accountRoutes(deletions),
      ...adminUserRoutes(adminUsers, deletions),
    ],
  };
}
