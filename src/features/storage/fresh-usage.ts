import type { RouteInput } from '../../http/route.ts';
import { setQuotaHeaders } from '../../http/router.ts';
import type { DeletedFile } from '../ledger/index.ts';
import type { SpaceService } from './space.service.ts';
import { presentUsage } from './storage.presenter.ts';

type Exchange = Pick<RouteInput<'space:any', undefined, undefined, undefined>, 'principal' | 'res'>;

/** After a change: reads the counters, sets the quota headers by them and answers API.md's `usage`. */
export async function freshUsage(spaces: SpaceService, { principal, res }: Exchange) {
  const usage = await spaces.usage(principal.space.id);
  setQuotaHeaders(res, { space: { ...principal.space, ...usage } });
  return presentUsage(usage, usage.updatedAt);
}

/** Sets the quota headers after a deletion, which says itself what it freed unless versions went with the files. */
export async function showFreed(
  spaces: SpaceService,
  { principal, res }: Exchange,
  deleted: readonly DeletedFile[],
): Promise<void> {
  const { space } = principal;
  if (space.versionObjects > 0) return void (await freshUsage(spaces, { principal, res }));
  const gone = deleted.filter(({ trashed }) => !trashed);
  const usedBytes = space.usedBytes - gone.reduce((sum, { freedBytes }) => sum + freedBytes, 0);
  setQuotaHeaders(res, { space: { ...space, usedBytes, usedObjects: space.usedObjects - gone.length } });
}
