import supertest from 'supertest';
import type { Actor, World } from './world.ts';

export const TUS = { 'Tus-Resumable': '1.0.0' };
export const OFFSET_STREAM = { 'Content-Type': 'application/offset+octet-stream' };

/** `Upload-Metadata` of these pairs. */
export function metadataOf(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',');
}

/** One actor who speaks tus to a composed app, header by header. */
export class TusActor {
  readonly #world: World;
  readonly actor: Actor;

  constructor(world: World, actor: Actor) {
    this.#world = world;
    this.actor = actor;
  }

  /** Begins an upload; with `bytes` these come with it. */
  async create(
    sizeBytes: number,
    pairs: Readonly<Record<string, string>>,
    { bytes, headers = {} }: { readonly bytes?: Buffer; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    const request = supertest(this.#world.app)
      .post('/api/uploads/tus')
      .set({
        ...this.actor.headers,
        ...TUS,
        'Upload-Length': String(sizeBytes),
        'Upload-Metadata': metadataOf(pairs),
        ...(bytes ? OFFSET_STREAM : {}),
        ...headers,
      });
    return bytes ? request.send(bytes) : request;
  }

  /** The id of a new upload. */
  async begin(sizeBytes: number, fileName: string, pairs: Readonly<Record<string, string>> = {}): Promise<string> {
    const reply = await this.create(sizeBytes, { filename: fileName, ...pairs });
    if (reply.status !== 201) throw new Error(`the creation was refused: ${JSON.stringify(reply.body)}`);
    return String(reply.headers['location']).split('/').at(-1) ?? '';
  }

  patch(id: string, offset: number, bytes: Buffer, headers: Readonly<Record<string, string>> = {}) {
    return supertest(this.#world.app)
      .patch(`/api/uploads/tus/${id}`)
      .set({ ...this.actor.headers, ...TUS, ...OFFSET_STREAM, 'Upload-Offset': String(offset), ...headers })
      .send(bytes);
  }

  head(id: string) {
    return supertest(this.#world.app)
      .head(`/api/uploads/tus/${id}`)
      .set({ ...this.actor.headers, ...TUS });
  }

  terminate(id: string) {
    return supertest(this.#world.app)
      .delete(`/api/uploads/tus/${id}`)
      .set({ ...this.actor.headers, ...TUS });
  }
}
