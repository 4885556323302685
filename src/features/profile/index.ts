export { profileRoutes } from './profile.router.ts';
export { ProfileService } from './profile.service.ts';
