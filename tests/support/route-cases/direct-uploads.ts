import supertest from 'supertest';
import { newId } from '../../../src/platform/crypto/random.ts';
import type { Actor, Call, World } from '../world.ts';
import type { RouteCase, RouteCases } from './route-case.ts';

const CONTENT = Buffer.from('content');
const FILE = { fileName: 'notes/direct.txt', size: CONTENT.length, contentType: 'text/plain' };

/** Each one another request. */
let bytes = 0;

/** The URL is this app's own, whatever address it was reached by. */
function put(world: World, { url, headers }: { readonly url: string; readonly headers: Record<string, string> }) {
  const { pathname, search } = new URL(url);
  const { 'content-length': _, ...sent } = headers;
  return supertest(world.app).put(`${pathname}${search}`).set(sent).send(CONTENT);
}

async function opened(world: World, me: Actor, path: string, body: object) {
  const reply = await world.send('post', { path, body }, me.headers);
  if (reply.status !== 201) throw new Error(`the upload was refused: ${JSON.stringify(reply.body)}`);
  return reply.body.data;
}

/** A request about an upload in parts. */
function onMultipart(call: (id: string, etag: string) => Call, isSent = false): RouteCase {
  return {
    call: async (world, me) => {
      const { uploadId } = await opened(world, me, '/uploads/multipart', FILE);
      if (!isSent) return call(uploadId, '');
      const signed = { path: `/uploads/multipart/${uploadId}/parts`, body: { partNumbers: [1] } };
      const { body } = await world.send('post', signed, me.headers);
      const sent = await put(world, body.data.parts[0]);
      return call(uploadId, String(sent.headers['etag']));
    },
    status: 200,
    foreign: 'UPLOAD_NOT_FOUND',
  };
}

function onReservation(call: (id: string) => Call): RouteCase {
  return {
    call: async (world, me) => {
      const { reservation } = await opened(world, me, '/reservations', { bytes: 10, objects: 1 });
      return call(reservation.id);
    },
    status: 200,
    foreign: 'RESERVATION_NOT_FOUND',
  };
}

export const directUploadCases: RouteCases = {
  createReservation: {
    call: () => {
      bytes += 1;
      return { path: '/reservations', body: { bytes, objects: 1 } };
    },
    status: 201,
  },
  listReservations: { call: () => ({ path: '/reservations' }), status: 200 },
  getReservation: onReservation((id) => ({ path: `/reservations/${id}` })),
  releaseReservation: onReservation((id) => ({ path: `/reservations/${id}` })),
  presignUpload: { call: () => ({ path: '/uploads/presign', body: { ...FILE, fileName: newId() } }), status: 201 },
  completeUpload: {
    call: async (world, me) => {
      const { uploadId, ...signed } = await opened(world, me, '/uploads/presign', FILE);
      await put(world, signed);
      return { path: '/uploads/complete', body: { uploadId } };
    },
    status: 200,
    foreign: 'UPLOAD_NOT_FOUND',
  },
  openMultipart: { call: () => ({ path: '/uploads/multipart', body: { ...FILE, fileName: newId() } }), status: 201 },
  presignParts: onMultipart((id) => ({ path: `/uploads/multipart/${id}/parts`, body: { partNumbers: [1] } })),
  listParts: onMultipart((id) => ({ path: `/uploads/multipart/${id}/parts` })),
  completeMultipart: onMultipart(
    (id, etag) => ({ path: `/uploads/multipart/${id}/complete`, body: { parts: [{ partNumber: 1, etag }] } }),
    true,
  ),
  listUploads: { call: () => ({ path: '/uploads' }), status: 200 },
  getUpload: onMultipart((id) => ({ path: `/uploads/${id}` })),
  abortUpload: onMultipart((id) => ({ path: `/uploads/${id}` })),
};
