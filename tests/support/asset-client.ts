import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { auditSpace, namedObjects } from './spaces.ts';
import type { Actor, World } from './world.ts';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The envelope's `data.asset`. */
// biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the tests' expectations
type Shown = any;

const DUE = {
  name: 'test_all_due',
  text: 'UPDATE object_tombstones SET due_at = now() WHERE attempts = 0',
};

/** One actor's files by id, and what is made of them. */
export class AssetClient {
  readonly #world: World;
  readonly actor: Actor;

  constructor(world: World, actor: Actor) {
    this.#world = world;
    this.actor = actor;
  }

  /** Below `/assets`. */
  call(method: Method, path: string, body?: object) {
    return this.#world.send(method, { path: `/assets${path}`, ...(body && { body }) }, this.actor.headers);
  }

  /** Below `/storage`. */
  storage(method: Method, path: string, body?: object) {
    return this.#world.send(method, { path: `/storage${path}`, ...(body && { body }) }, this.actor.headers);
  }

  /** The id of a file of this name, which is made or replaced. */
  async put(name: string, bytes: Buffer, query = ''): Promise<string> {
    const path = `/storage/upload?fileName=${encodeURIComponent(name)}${query}`;
    const attach = { field: 'file', bytes, name: name.slice(name.lastIndexOf('/') + 1) };
    const reply = await this.#world.send('post', { path, attach }, this.actor.headers);
    expect(reply.status, JSON.stringify(reply.body)).toBe(201);
    return reply.body.data.file.id;
  }

  async get(id: string): Promise<Shown> {
    const reply = await this.call('get', `/${id}`);
    expect(reply.status, JSON.stringify(reply.body)).toBe(200);
    return reply.body.data.asset;
  }

  /** The asset once its content is no longer waited for. */
  async settled(id: string): Promise<Shown> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const asset = await this.get(id);
      if (asset.processing.state !== 'PENDING') return asset;
      if (Date.now() > deadline) throw new Error(`nobody has made anything of ${asset.fileName}`);
      await delay(50);
    }
  }

  /** Puts a file and waits until something is made of it. */
  async made(name: string, bytes: Buffer, query = ''): Promise<Shown> {
    return this.settled(await this.put(name, bytes, query));
  }

  /** The bytes of a thumbnail, by the API. */
  async thumbnail(id: string, size = 'small'): Promise<Buffer> {
    const reply = await this.call('get', `/${id}/thumbnails/${size}`).buffer().responseType('blob');
    expect(reply.status, String(reply.body)).toBe(200);
    return reply.body;
  }

  spaceId(): Promise<string> {
    return this.#world.spaceId(this.actor);
  }

  /** How many objects there are, once it is certain that rows and store agree and nothing is left of what was removed. */
  async objects(): Promise<number> {
    const { database, accounts } = this.#world;
    const spaceId = await this.spaceId();
    expect((await auditSpace(database, spaceId)).faults).toEqual([]);
    const { prefix } = await database.prisma.space.findUniqueOrThrow({ where: { id: spaceId } });
    const isBuried = { where: { objectKey: { startsWith: prefix } } };
    // A sweep of the service may be at it as well.
    while ((await database.prisma.objectTombstone.count(isBuried)) > 0) {
      await database.query(DUE, []);
      await accounts.composition.tombstones.purge();
    }
    const named = await namedObjects(database, spaceId);
    const stored = new Map<string, number>();
    for await (const { key, sizeBytes } of accounts.infrastructure.store.list(prefix)) stored.set(key, sizeBytes);
    expect(Object.fromEntries(stored)).toEqual(
      Object.fromEntries(named.map(({ object_key, size_bytes }) => [object_key, size_bytes])),
    );
    return stored.size;
  }
}
