import {
  AdminKeyRepository,
  AdminKeyService,
  ApiKeyRepository,
  ApiKeyService,
  adminKeyRoutes,
  apiKeyRoutes,
  KeyRequestRepository,
  KeyRequestService,
  KeyReviewService,
  KeyRevocationService,
  KeySecretRepository,
  KeySecretService,
  keyRequestRoutes,
  registerKeyJobs,
} from '../features/api-keys/index.ts';
import type { Basis } from './basis.ts';

/** Requests for keys, their review, keys and their secrets. */
export function composeKeys({ database, queue, uow, users, audit, mail, clock, sealer, secretHasher }: Basis) {
  const keyRepository = new ApiKeyRepository(database);
  const requestRepository = new KeyRequestRepository(database);
  const secrets = new KeySecretRepository(database);
  const revocation = new KeyRevocationService({ uow, keys: keyRepository, users, audit, mail, clock });
  const keys = new ApiKeyService({ uow, keys: keyRepository, users, revocation, audit, clock });
  const keySecrets = new KeySecretService({ uow, keys: keyRepository, secrets, audit, secretHasher, sealer, clock });
  const adminKeys = new AdminKeyService({
    uow,
    keys: new AdminKeyRepository(database),
    users,
    revocation,
    audit,
    clock,
  });
  const onRequests = { uow, requests: requestRepository, keys: keyRepository, users, audit, mail, clock };
  const requests = new KeyRequestService(onRequests);
  const reviews = new KeyReviewService(onRequests);
  registerKeyJobs(queue, keySecrets);
  return {
    keys,
    routes: [...keyRequestRoutes(requests, reviews), ...apiKeyRoutes(keys, keySecrets), ...adminKeyRoutes(adminKeys)],
  };
}
