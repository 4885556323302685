/** Everything that is recorded. Append-only: exports and filters rely on the names. */
export type AuditAction =
  | 'user.register'
  | 'user.login'
  | 'user.login_failed'
  | 'user.logout'
  | 'user.session_refreshed'
  | 'user.refresh_replayed'
  | 'user.otp_sent'
  | 'user.email_verified'
  | 'request.create'
  | 'request.approve'
  | 'request.reject'
  | 'request.withdraw'
  | 'key.claim'
  | 'key.revoke'
  | 'file.upload'
  | 'file.delete'
  | 'system.admin_created';

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
}

export interface AuditEntry {
  readonly action: AuditAction;
  readonly actor: AuditActor;
  readonly origin: AuditOrigin;
  /** The key that it is about, where that is not the actor. */
  readonly accessKeyId?: string;
  readonly subject?: { readonly type: 'user' | 'request' | 'key' | 'file'; readonly id: string };
  /** Never a secret. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>>;
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
