import { z } from 'zod';
import { idPagingQuery, pageMeta } from '../../http/paging.ts';

export { pageMeta };

export const listReservationsQuery = z.object(idPagingQuery);

const EXAMPLE_ID = '019aa2f4-7d1c-7e5a-9a55-0c6f1b1f6a11';
const MAX = Number.MAX_SAFE_INTEGER;

export const createReservationBody = z
  .strictObject({
    bytes: z.int().min(0).max(MAX).meta({ description: 'Of all files together', example: 104857600 }),
    objects: z.int().min(0).max(MAX).meta({
      description: 'Files; those that replace one need none. Not 0 where `bytes` is',
      example: 20,
    }),
    ttlSeconds: z
      .int()
      .min(60)
      .max(86_400)
      .default(3600)
      .meta({ description: 'Until the rest is given back, 60..86400', example: 3600 }),
  })
  .refine(({ bytes, objects }) => bytes > 0 || objects > 0, {
    path: ['objects'],
    message: 'must be at least 1 where `bytes` is 0',
  });

export const reservationParams = z.object({
  id: z.string().meta({ description: 'Of the reservation', example: EXAMPLE_ID }),
});

const reservation = z
  .object({
    id: z.uuid(),
    bytes: z.number().int().meta({ description: 'As asked for' }),
    objects: z.number().int(),
    bytesLeft: z.number().int().meta({ description: 'Not drawn yet' }),
    objectsLeft: z.number().int(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  })
  .meta({ id: 'Reservation' });

export const reservationData = z.object({ reservation });
export const reservationsData = z.object({ reservations: z.array(reservation) });

export const EXAMPLE_RESERVATION = {
  id: EXAMPLE_ID,
  bytes: 104857600,
  objects: 20,
  bytesLeft: 104857600,
  objectsLeft: 20,
  createdAt: '2026-11-21T09:00:00.000Z',
  expiresAt: '2026-11-21T10:00:00.000Z',
};
