import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectStore } from '../../src/platform/object-store/object-store.ts';
import { type Accounts, type Site, startAccounts } from './accounts.ts';
import { s3Environment } from './s3-environment.ts';
import { startS3Server } from './s3-server.ts';
import { auditSpace } from './spaces.ts';
import { type Actor, World } from './world.ts';

export const MIB = 1024 * 1024;

/** What a route answered. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the tests' expectations
  readonly body: any;
}

/** A signed request as the API answers it. */
export interface Signed {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A service that listens, on the disk store or on S3, whose signed URLs can be used. */
export interface DirectSite {
  readonly site: Site;
  readonly world: World;
  readonly store: ObjectStore;
  readonly origin: string;
  readonly dataDirectory: string;
  /** Another process on the same database, folder or bucket. */
  startAnother(): Promise<{ readonly accounts: Accounts; readonly origin: string }>;
  stop(): Promise<void>;
}

/** null: no S3 server is installed. */
export async function startDirectSite(
  kind: 'disk' | 's3',
  environment: Readonly<Record<string, string>> = {},
  options: Parameters<typeof startAccounts>[1] = {},
): Promise<DirectSite | null> {
  const s3 = kind === 's3' ? await startS3Server() : null;
  if (kind === 's3' && s3 === null) return null;
  // One folder for all processes.
  const dataDirectory = await mkdtemp(join(tmpdir(), 'pockity-direct-'));
  const shared = { DATA_DIR: dataDirectory, ...(s3 && (await s3Environment(s3))), ...environment };
  const site = await startAccounts(shared, { workers: false, ...options });
  const servers: Server[] = [];
  const serve = async (accounts: Accounts) => {
    const server = createServer(accounts.app);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  return {
    site,
    world: new World(site.accounts),
    store: site.accounts.infrastructure.store,
    origin: await serve(site.accounts),
    dataDirectory,
    startAnother: async () => {
      const accounts = await site.startAnother();
      return { accounts, origin: await serve(accounts) };
    },
    stop: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      await site.stop();
      await s3?.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** Sends the body by a signed request, as a browser does. */
export async function put({ url, headers }: Signed, body: Uint8Array): Promise<Response> {
  const { 'content-length': _, ...sent } = headers;
  const response = await fetch(url, { method: 'PUT', headers: sent, body: Buffer.from(body) });
  await response.arrayBuffer();
  return response;
}

/** One actor who uploads directly, by requests to a listening process. */
export class DirectActor {
  readonly #site: DirectSite;
  readonly #origin: string;
  readonly actor: Actor;

  constructor(site: DirectSite, actor: Actor, origin: string = site.origin) {
    this.#site = site;
    this.#origin = origin;
    this.actor = actor;
  }

  /** The same one at another process. */
  at(origin: string): DirectActor {
    return new DirectActor(this.#site, this.actor, origin);
  }

  async call(method: string, path: string, body?: object): Promise<Reply> {
    const response = await fetch(`${this.#origin}/api${path}`, {
      method,
      headers: { ...this.actor.headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  presign(bytes: number, fields: object = {}): Promise<Reply> {
    return this.call('POST', '/uploads/presign', {
      fileName: 'a.bin',
      size: bytes,
      contentType: 'text/plain',
      ...fields,
    });
  }

  complete(uploadId: string): Promise<Reply> {
    return this.call('POST', '/uploads/complete', { uploadId });
  }

  /** Presigned and PUT; the id and the request. */
  async sent(content: Uint8Array, fields: object = {}): Promise<Signed & { readonly uploadId: string }> {
    const { status, body } = await this.presign(content.length, fields);
    if (status !== 201) throw new Error(JSON.stringify(body));
    const response = await put(body.data, content);
    if (response.status !== 200) throw new Error(`the PUT was refused: ${response.status}`);
    return body.data;
  }

  openMultipart(bytes: number, fields: object = {}): Promise<Reply> {
    return this.call('POST', '/uploads/multipart', {
      fileName: 'a.bin',
      size: bytes,
      contentType: 'text/plain',
      partSize: 5 * MIB,
      ...fields,
    });
  }

  /** Signs and sends these parts of the content; what a completion is to name. */
  async sendParts(uploadId: string, content: Uint8Array, partNumbers: readonly number[], partSize = 5 * MIB) {
    const { body } = await this.call('POST', `/uploads/multipart/${uploadId}/parts`, { partNumbers });
    const parts: { partNumber: number; etag: string }[] = [];
    for (const part of body.data.parts) {
      const start = (part.partNumber - 1) * partSize;
      const response = await put(part, content.subarray(start, start + part.size));
      if (response.status !== 200) throw new Error(`part ${part.partNumber} was refused: ${response.status}`);
      parts.push({ partNumber: part.partNumber, etag: String(response.headers.get('etag')) });
    }
    return parts;
  }

  completeParts(uploadId: string, parts: readonly object[]): Promise<Reply> {
    return this.call('POST', `/uploads/multipart/${uploadId}/complete`, { parts });
  }

  async content(fileName: string): Promise<Buffer> {
    const response = await fetch(`${this.#origin}/api/storage/files/${encodeURIComponent(fileName)}/content`, {
      headers: this.actor.headers,
    });
    if (response.status !== 200) throw new Error(`the file was not read: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  spaceId(): Promise<string> {
    return this.#site.world.spaceId(this.actor);
  }

  /** The space's counters and their faults. */
  async audit() {
    return auditSpace(this.#site.world.database, await this.spaceId());
  }

  /** Lets all that is due of leases and tombstones be done now. */
  async sweep(): Promise<void> {
    const { ledger, tombstones } = this.#site.site.accounts.composition;
    await ledger.expireOverdue();
    await this.#site.world.database.prisma.objectTombstone.updateMany({ data: { dueAt: new Date(0) } });
    await tombstones.purge();
  }

  /** Keys of the objects that lie in the store. */
  async stored(): Promise<string[]> {
    const prefix = (
      await this.#site.world.database.prisma.space.findUniqueOrThrow({ where: { id: await this.spaceId() } })
    ).prefix;
    const keys: string[] = [];
    for await (const { key } of this.#site.store.list(prefix)) keys.push(key);
    return keys;
  }

  async session(uploadId: string) {
    return this.#site.world.database.prisma.uploadSession.findUniqueOrThrow({ where: { id: uploadId } });
  }

  /** As if that time had passed since the upload was opened. */
  async age(uploadId: string, seconds: number): Promise<void> {
    const { database } = this.#site.world;
    const ago = `make_interval(secs => ${seconds})`;
    await database.prisma.$executeRawUnsafe(
      `UPDATE upload_sessions SET created_at = created_at - ${ago}, expires_at = expires_at - ${ago} WHERE id = '${uploadId}'`,
    );
    await database.prisma.$executeRawUnsafe(
      `UPDATE uploads SET lease_expires_at = lease_expires_at - ${ago} WHERE id = '${uploadId}'`,
    );
  }
}
