export { AuditRepository } from './audit.repository.ts';
export {
  ANONYMOUS_ACTOR,
  type AuditActor,
  type AuditOrigin,
  actorOf,
  SYSTEM_ACTOR,
  SYSTEM_ORIGIN,
} from './audit.ts';
