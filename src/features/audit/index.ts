export { purgeAuditJob, registerAuditJobs } from './audit.jobs.ts';
export { AuditRepository } from './audit.repository.ts';
export {
  type ActingUser,
  ANONYMOUS_ACTOR,
  AUDIT_ACTIONS,
  type AuditActor,
  type AuditEntry,
  type AuditOrigin,
  actingUser,
  actorOf,
  type Doer,
  SYSTEM_ACTOR,
  SYSTEM_ORIGIN,
} from './audit.ts';
export { AuditLogRepository } from './audit-log.repository.ts';
export { auditLogRoutes } from './audit-log.router.ts';
export { AuditLogService } from './audit-log.service.ts';
export { AuditRecorder } from './audit-recorder.ts';
