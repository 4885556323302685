export { AccessRepository } from './access.repository.ts';
export { AccessService } from './access.service.ts';
export { assertMay, may } from './permission.ts';
export {
  type Access,
  type Credentials,
  PERMISSIONS,
  type Permission,
  type Principal,
  type PrincipalFor,
} from './principal.ts';
export type { QuotaCounters, SpaceCounters, SpaceSnapshot } from './space.ts';
