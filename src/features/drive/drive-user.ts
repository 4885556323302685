import type { PrincipalFor } from '../access/index.ts';
import type { AuditOrigin } from '../audit/index.ts';
import { scopeOf } from '../ledger/index.ts';
import type { DriveUser } from './drive.ts';

/** The person of an authorized request as drives know people. */
export function driveUser(principal: PrincipalFor<'verified'>, origin: AuditOrigin): DriveUser {
  return { userId: principal.userId, own: scopeOf(principal, origin) };
}
