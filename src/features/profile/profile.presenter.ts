import type { SpaceSnapshot } from '../access/index.ts';
import { presentApiKey } from '../api-keys/index.ts';
import { presentQuotaUsage, presentUsage } from '../storage/index.ts';
import { presentUser, type User } from '../users/index.ts';
import type { KeyWithSpace } from './profile.service.ts';

/** API.md's summary of an account. */
export function presentSummary(user: User, drive: SpaceSnapshot, apiKeys: readonly KeyWithSpace[]) {
  const { usage, quota, usagePercentage } = presentQuotaUsage(drive);
  return {
    profile: presentUser(user),
    drive: { ...usage, quota, usagePercentage },
    apiKeys: apiKeys.map(({ key, space }) => ({ ...presentApiKey(key), usage: presentUsage(space, space.updatedAt) })),
  };
}
