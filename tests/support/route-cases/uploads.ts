import { randomUUID } from 'node:crypto';
import type { Actor, Call, World } from '../world.ts';
import type { RouteCases } from './route-case.ts';

const TUS = { 'Tus-Resumable': '1.0.0' };
/** Of another name each time. */
function creation(): Readonly<Record<string, string>> {
  const name = `notes/a file ${randomUUID()}.txt`;
  return { ...TUS, 'Upload-Length': '7', 'Upload-Metadata': `filename ${Buffer.from(name).toString('base64')}` };
}

/** A request about an upload by tus that the actor has begun. */
function onTusUpload(headers: Readonly<Record<string, string>>) {
  return async (world: World, me: Actor): Promise<Call> => {
    const reply = await world.send('post', { path: '/uploads/tus', headers: creation() }, me.headers);
    const id = reply.headers['location']?.split('/').at(-1);
    return { path: `/uploads/tus/${id}`, headers: { ...TUS, ...headers } };
  };
}

export const uploadCases: RouteCases = {
  getTusAbilities: { call: () => ({ path: '/uploads/tus' }), status: 204 },
  createTusUpload: { call: () => ({ path: '/uploads/tus', headers: creation() }), status: 201 },
  getTusUpload: { call: onTusUpload({}), status: 200, foreign: 'UPLOAD_NOT_FOUND' },
  sendTusBytes: {
    call: onTusUpload({ 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' }),
    status: 204,
    foreign: 'UPLOAD_NOT_FOUND',
  },
  terminateTusUpload: { call: onTusUpload({}), status: 204, foreign: 'UPLOAD_NOT_FOUND' },
};
