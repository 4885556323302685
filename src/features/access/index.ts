export { AccessRepository } from './access.repository.ts';
export { AccessService } from './access.service.ts';
export { assertMay } from './permission.ts';
export {
  type Access,
  type Credentials,
  PERMISSIONS,
  type Permission,
  type Principal,
  type PrincipalFor,
  type SpaceSnapshot,
} from './principal.ts';
export { scopeOf } from './space-scope.ts';
