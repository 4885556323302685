import { created, ok, type Route, route } from '../../http/route.ts';
import { type SpaceReservation, scopeOf } from '../ledger/index.ts';
import { freshUsage, type SpaceService } from '../storage/index.ts';
import * as schemas from './reservation.schemas.ts';
import { MAX_RESERVATIONS, type ReservationService } from './reservation.service.ts';

const TAG = 'Uploads';
const data = schemas.reservationData;
const example = { reservation: schemas.EXAMPLE_RESERVATION };

/** `/reservations`: room for uploads to come. */
export function reservationRoutes(reservations: ReservationService, spaces: SpaceService): Route[] {
  return [
    route({
      method: 'post',
      path: '/reservations',
      operationId: 'createReservation',
      tag: TAG,
      summary: 'Hold room for a batch',
      description: `Whether these files will fit: holds the room in the quota until uploads that name the reservation (\`reservationId\`) have drawn it, or it expires; what is then left is given back. Up to ${MAX_RESERVATIONS} are open at once.`,
      access: 'space:write',
      body: schemas.createReservationBody,
      bodyExample: { bytes: 104857600, objects: 20, ttlSeconds: 3600 },
      idempotent: true,
      success: { 201: { description: 'The room is held', data, example } },
      errors: ['QUOTA_EXCEEDED', 'CONFLICT', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body, context, res }) => {
        const made = await reservations.create(scopeOf(principal, context), body);
        await freshUsage(spaces, { principal, res });
        return created('Room held', { reservation: present(made) });
      },
      rebuild: async ({ principal, subjectId }) =>
        created('Room held', { reservation: present(await reservations.get(principal.space.id, subjectId)) }),
    }),
    route({
      method: 'get',
      path: '/reservations',
      operationId: 'listReservations',
      tag: TAG,
      summary: 'List reservations',
      description: 'Newest first, without those that have expired.',
      access: 'space:write',
      query: schemas.listReservationsQuery,
      success: {
        200: {
          description: 'A page of reservations',
          data: schemas.reservationsData,
          meta: schemas.pageMeta,
          example: { reservations: [schemas.EXAMPLE_RESERVATION] },
        },
      },
      errors: ['DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, query }) => {
        const { entries, nextCursor } = await reservations.list(principal.space.id, {
          limit: query.limit,
          cursor: query.cursor,
        });
        return ok('Reservations', { reservations: entries.map(present) }, { nextCursor, limit: query.limit });
      },
    }),
    route({
      method: 'get',
      path: '/reservations/:id',
      operationId: 'getReservation',
      tag: TAG,
      summary: 'Get a reservation',
      description: 'What is left of it.',
      access: 'space:write',
      params: schemas.reservationParams,
      success: { 200: { description: 'The reservation', data, example } },
      errors: ['RESERVATION_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params }) =>
        ok('Reservation', { reservation: present(await reservations.get(principal.space.id, params.id)) }),
    }),
    route({
      method: 'delete',
      path: '/reservations/:id',
      operationId: 'releaseReservation',
      tag: TAG,
      summary: 'Release a reservation',
      description: 'Gives back what was not drawn. Uploads that have drawn on it go on.',
      access: 'space:write',
      params: schemas.reservationParams,
      success: { 200: { description: 'The reservation as it was', data, example } },
      errors: ['RESERVATION_NOT_FOUND', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, params, context, res }) => {
        const released = await reservations.release(scopeOf(principal, context), params.id);
        await freshUsage(spaces, { principal, res });
        return ok('Reservation released', { reservation: present(released) });
      },
    }),
  ];
}

function present({ heldBytes, heldObjects, createdAt, expiresAt, ...reservation }: SpaceReservation) {
  return {
    ...reservation,
    bytesLeft: heldBytes,
    objectsLeft: heldObjects,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
}
