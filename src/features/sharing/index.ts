export { LinkRepository } from './link.repository.ts';
export { linkRoutes } from './link.router.ts';
export { LinkService } from './link.service.ts';
