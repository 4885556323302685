import { z } from 'zod';
import { receiveFile } from '../../http/multipart-upload.ts';
import { ok, type Route, route } from '../../http/route.ts';
import { actorOf } from '../audit/index.ts';
import type { PhotoService } from './photo.service.ts';
import { photoData, photoExample } from './profile.schemas.ts';

const TAG = 'Users';
const FIELD = 'photo';

/** `/users/photo`: the own photo. */
export function photoRoutes(photos: PhotoService): Route[] {
  return [
    route({
      method: 'put',
      path: '/users/photo',
      operationId: 'setPhoto',
      tag: TAG,
      summary: 'Set the own photo',
      description:
        'A JPEG, PNG or WebP up to 5 MiB and 50 million pixels, told by its content. It is kept as WebP of at most 512 x 512 pixels, turned upright, without any metadata; of an animation the first picture.',
      access: 'verified',
      limit: 'upload',
      multipartField: FIELD,
      success: { 200: { description: 'Where the photo is', data: photoData, example: photoExample } },
      errors: ['FILE_TYPE_NOT_ALLOWED', 'FILE_TOO_LARGE', 'STORAGE_FULL', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context, req, res }) => {
        const { publicOrigin } = context;
        const photo = await receiveFile(req, res, FIELD, (part) => photos.receive(part.body, part.announcedBytes));
        const setter = { actor: actorOf(principal), origin: context, publicOrigin };
        return ok('Photo set', await photos.set(principal.userId, photo, setter));
      },
    }),
    route({
      method: 'get',
      path: '/users/photo',
      operationId: 'getPhoto',
      tag: TAG,
      summary: 'Get the own photo',
      description: 'A URL that shows the photo, good for an hour.',
      access: 'verified',
      success: { 200: { description: 'Where the photo is', data: photoData, example: photoExample } },
      errors: ['PHOTO_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context }) => ok('Photo', await photos.link(principal.userId, context.publicOrigin)),
    }),
    route({
      method: 'delete',
      path: '/users/photo',
      operationId: 'deletePhoto',
      tag: TAG,
      summary: 'Delete the own photo',
      description: 'The photo goes from the store within a minute.',
      access: 'verified',
      success: { 200: { description: 'There is no photo any more', data: z.null(), example: null } },
      errors: ['PHOTO_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context }) => {
        await photos.delete(principal.userId, actorOf(principal), context);
        return ok('Photo deleted', null);
      },
    }),
  ];
}
