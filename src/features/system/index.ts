export { ReadinessService } from './readiness.service.ts';
export { systemRoutes } from './system.router.ts';
