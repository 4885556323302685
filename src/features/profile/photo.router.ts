import { z } from 'zod';
import { type FilePart, receiveFile } from '../../http/multipart-upload.ts';
import { ok, type Route, route } from '../../http/route.ts';
import { actorOf } from '../audit/index.ts';
import type { PhotoService } from './photo.service.ts';
import { photoData, photoExample } from './profile.schemas.ts';

const TAG = 'Users';
const FIELD = 'photo';

/** `/users/photo`: the own photo, whose form has to come within `formDeadlineMs`. */
export function photoRoutes(photos: PhotoService, formDeadlineMs: number): Route[] {
  return [
    route({
      method: 'put',
      path: '/users/photo',
      operationId: 'setPhoto',
      tag: TAG,
      summary: 'Set the own photo',
      description:
        'A JPEG, PNG or WebP up to 5 MiB and 50 million pixels, a line of 64 KiB (16384 pixels of RGBA), told by its content. What has to be decoded as a whole may have fewer: a progressive JPEG 16 million, a WebP 25, an interlaced PNG 12 to 25 by its depth. It is kept as WebP of at most 512 x 512 pixels, turned upright, without any metadata; of an animation the first picture. The form has to come within 20 seconds; a user sends one at a time.',
      access: 'verified',
      limit: 'upload',
      multipartField: FIELD,
      success: { 200: { description: 'Where the photo is', data: photoData, example: photoExample } },
      errors: ['FILE_TYPE_NOT_ALLOWED', 'FILE_TOO_LARGE', 'STORAGE_FULL', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, context, confirm, req, res }) => {
        const setter = { actor: actorOf(principal), origin: context, publicOrigin: context.publicOrigin };
        const receive = (part: FilePart) => photos.receive(part.body, part.announcedBytes);
        return photos.oneAtATime(principal.userId, async () => {
          const photo = await receiveFile(req, res, FIELD, receive, { deadlineMs: formDeadlineMs });
          try {
            await confirm();
            return ok('Photo set', await photos.set(principal.userId, photo, setter));
          } finally {
            photo.release();
          }
        });
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
