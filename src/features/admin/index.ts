export { AdminUserRepository } from './admin-user.repository.ts';
export { adminUserRoutes } from './admin-user.router.ts';
export { AdminUserService } from './admin-user.service.ts';
export { HealthRepository } from './health.repository.ts';
export { adminHealthRoutes } from './health.router.ts';
export { HealthService } from './health.service.ts';
