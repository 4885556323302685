import { AppError } from '../../errors/app-error.ts';
import { type Access, type KeyPrincipal, PERMISSIONS, type Permission, type Principal } from './principal.ts';

/** Errors: PERMISSION_MISSING, when a key lacks what the access names. */
export function assertPermissions(key: KeyPrincipal, access: Access): void {
  if (!access.startsWith('space:')) return;
  const named = access.slice('space:'.length).split('+');
  for (const permission of PERMISSIONS) if (named.includes(permission)) assertMay(key, permission);
}

/** A user may all. */
export function may(principal: Principal, permission: Permission): boolean {
  return principal.kind === 'user' || principal.permissions.includes(permission);
}

/** For what depends on the request, not on the route alone. Errors: PERMISSION_MISSING. */
export function assertMay(principal: Principal, permission: Permission): void {
  if (may(principal, permission)) return;
  throw new AppError('PERMISSION_MISSING', {
    message: `The API key lacks the permission "${permission}"`,
    details: { permission },
  });
}
