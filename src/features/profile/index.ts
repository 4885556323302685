export { photoRoutes } from './photo.router.ts';
export { PhotoService } from './photo.service.ts';
export { ProfileRepository } from './profile.repository.ts';
export { profileRoutes } from './profile.router.ts';
export { ProfileService } from './profile.service.ts';
