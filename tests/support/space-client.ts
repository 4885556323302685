import { expect } from 'vitest';
import { auditSpace } from './spaces.ts';
import type { Actor, World } from './world.ts';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** One actor at work in the own space; spares tests the writing of requests. */
export class SpaceClient {
  readonly #world: World;
  readonly actor: Actor;

  constructor(world: World, actor: Actor) {
    this.#world = world;
    this.actor = actor;
  }

  /** Below `/storage`. */
  call(method: Method, path: string, body?: object) {
    const call = { path: `/storage${path}`, ...(body ? { body } : {}) };
    return this.#world.send(method, call, this.actor.headers);
  }

  upload(name: string, content: string, query = '') {
    const path = `/storage/upload?fileName=${encodeURIComponent(name)}${query}`;
    const attach = { field: 'file', bytes: Buffer.from(content), name: 'x' };
    return this.#world.send('post', { path, attach }, this.actor.headers);
  }

  /** Uploads and answers `data.file`. */
  async put(name: string, content = 'content') {
    const reply = await this.upload(name, content);
    expect(reply.status, JSON.stringify(reply.body)).toBe(201);
    return reply.body.data.file;
  }

  file(name: string, rest = ''): string {
    return `/files/${encodeURIComponent(name)}${rest}`;
  }

  async content(name: string): Promise<string> {
    const reply = await this.call('get', this.file(name, '/content')).buffer().responseType('text');
    expect(reply.status).toBe(200);
    return String(reply.body);
  }

  async names(prefix = ''): Promise<string[]> {
    const reply = await this.call('get', `/files?limit=200&prefix=${encodeURIComponent(prefix)}`);
    expect(reply.status, JSON.stringify(reply.body)).toBe(200);
    return reply.body.data.files.map(({ fileName }: { fileName: string }) => fileName);
  }

  async trash(query = '') {
    const reply = await this.call('get', `/trash${query}`);
    expect(reply.status).toBe(200);
    return reply.body;
  }

  async versions(name: string) {
    return (await this.call('get', this.file(name, '/versions'))).body.data.versions;
  }

  settings(body: object) {
    return this.call('patch', '/settings', body).expect(200);
  }

  spaceId(): Promise<string> {
    return this.#world.spaceId(this.actor);
  }

  /** The counters, once it is certain that all the books agree on them. */
  async audited() {
    const audit = await auditSpace(this.#world.database, await this.spaceId());
    expect(audit.faults).toEqual([]);
    return audit;
  }
}
