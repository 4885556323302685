import type { IdempotencyAttempt } from '../idempotency/index.ts';

/** Everything that is recorded. Append-only: exports and filters rely on the names. */
export const AUDIT_ACTIONS = [
  'user.register',
  'user.login',
  'user.login_failed',
  'user.logout',
  'user.logout_all',
  'user.session_ended',
  'user.session_refreshed',
  'user.refresh_replayed',
  'user.otp_sent',
  'user.email_verified',
  'user.profile_changed',
  'user.email_changed',
  'user.photo_changed',
  'user.photo_deleted',
  'user.password_changed',
  'user.password_reset_requested',
  'user.password_reset',
  'user.delete',
  'user.restore',
  'user.erase',
  'request.create',
  'request.approve',
  'request.reject',
  'request.withdraw',
  'key.claim',
  'key.change',
  'key.rotate',
  'key.secret_retired',
  'key.revoke',
  'quota.exceeded',
  'file.upload',
  'file.download',
  'file.link',
  'file.delete',
  'file.copy',
  'file.move',
  'file.tag',
  'file.zip',
  'file.restore',
  'file.purge',
  'file.version_restore',
  'file.version_delete',
  'file.quarantine',
  'file.process',
  'upload.open',
  'upload.abort',
  'reservation.create',
  'reservation.release',
  'folder.create',
  'folder.move',
  'folder.delete',
  'share.create',
  'share.change',
  'share.delete',
  'link.create',
  'link.delete',
  'link.download',
  'link.upload',
  'space.settings_changed',
  'admin.user_disable',
  'admin.user_enable',
  'admin.role_change',
  'admin.drive_quota_change',
  'admin.key_quota_change',
  'admin.audit_export',
  'job.retry',
  'job.delete',
  'system.admin_created',
  'system.audit_purge',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** Who acted. */
export interface AuditActor {
  readonly type: 'user' | 'admin' | 'key' | 'anonymous' | 'system';
  /** The user, also where a key of that user acted. */
  readonly id: string | null;
  readonly accessKeyId: string | null;
}

/** From where. */
export interface AuditOrigin {
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  /** Where the request came with an `Idempotency-Key`: what is recorded is its effect. */
  readonly idempotency?: IdempotencyAttempt | undefined;
}

export interface AuditEntry {
  readonly action: AuditAction;
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
  /** The key that it is about, where that is not the actor. */
  readonly accessKeyId?: string;
  readonly subject?: {
    readonly type:
      | 'user'
      | 'request'
      | 'key'
      | 'file'
      | 'folder'
      | 'share'
      | 'link'
      | 'space'
      | 'upload'
      | 'reservation'
      | 'job';
    readonly id: string;
  };
  /** Never a secret. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>>;
  /** No part of the log: what the answer holds and nothing else does, for the idempotency key of the request. */
  readonly secret?: object;
}

/** The service itself: starts, jobs, retention. */
export const SYSTEM_ACTOR: AuditActor = { type: 'system', id: null, accessKeyId: null };
export const SYSTEM_ORIGIN: AuditOrigin = { ip: null, userAgent: null, requestId: null };
export const ANONYMOUS_ACTOR: AuditActor = { type: 'anonymous', id: null, accessKeyId: null };

/** The actor that an authorized request acts as. */
export function actorOf(
  principal:
    | { readonly kind: 'user'; readonly userId: string; readonly role: 'USER' | 'ADMIN' }
    | { readonly kind: 'key'; readonly userId: string; readonly accessKeyId: string },
): AuditActor {
  if (principal.kind === 'key') return { type: 'key', id: principal.userId, accessKeyId: principal.accessKeyId };
  return { type: principal.role === 'ADMIN' ? 'admin' : 'user', id: principal.userId, accessKeyId: null };
}

/** Who does something, and from where, as the audit log wants it. */
export interface Doer {
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
}

/** A person who does something. */
export interface ActingUser extends Doer {
  readonly userId: string;
}

/** The person of an authorized request as services want it. */
export function actingUser(
  principal: { readonly kind: 'user'; readonly userId: string; readonly role: 'USER' | 'ADMIN' },
  origin: AuditOrigin,
): ActingUser {
  return { userId: principal.userId, actor: actorOf(principal), origin };
}
