import type { Principal } from '../access/index.ts';
import { type AuditOrigin, actorOf } from '../audit/index.ts';
import type { SpaceScope } from './ledger.ts';

/** An authorized request as it acts in its own space: a key in its pocket, a user in the drive. */
export function scopeOf(principal: Principal, origin: AuditOrigin): SpaceScope {
  const { ip, userAgent, requestId, idempotency } = origin;
  return { space: principal.space, actor: actorOf(principal), origin: { ip, userAgent, requestId, idempotency } };
}
