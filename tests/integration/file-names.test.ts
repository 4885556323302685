import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { parse } from 'content-disposition';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Site, startAccounts } from '../support/accounts.ts';
import { AWKWARD_NAMES, LONE_SURROGATES, titleOf } from '../support/awkward-names.ts';
import { TusActor } from '../support/tus-actor.ts';
import { type Actor, World } from '../support/world.ts';
import { readZip } from '../support/zip.ts';

const KINDS = ['pocket', 'drive'] as const;

let site: Site;
let world: World;
let routes: Set<string>;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
  routes = new Set(site.accounts.composition.routes.map(({ method, path }) => `${method} ${path}`));
});
afterAll(() => site.stop());

/** Somebody with room for all names at once. */
async function actorOf(kind: (typeof KINDS)[number]): Promise<Actor> {
  const person = await world.person();
  const actor = kind === 'drive' ? person : await world.key(person);
  await world.database.prisma.space.updateMany({
    where: { ownerId: person.userId },
    data: { quotaObjects: 100_000n, quotaBytes: 10n ** 12n },
  });
  return actor;
}

function fileUrl(name: string, rest = ''): string {
  return `/storage/files/${encodeURIComponent(name)}${rest}`;
}

function send(method: 'get' | 'post' | 'patch' | 'delete', path: string, actor: Actor, body?: object) {
  return world.send(method, { path, ...(body ? { body } : {}) }, actor.headers);
}

/** A form of one part, whose header is written by hand. */
function sendForm(path: string, actor: Actor, disposition: string, content = 'content') {
  const head = `--b\r\nContent-Disposition: form-data; name="file"; ${disposition}\r\nContent-Type: text/plain\r\n\r\n`;
  return supertest(world.app)
    .post(`/api${path}`)
    .set(actor.headers)
    .set('content-type', 'multipart/form-data; boundary=b')
    .send(Buffer.from(`${head}${content}\r\n--b--\r\n`));
}

/** As RFC 8187 has it, which knows fewer characters than URLs. */
function extended(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}

const NAMED_X = 'filename="x.txt"';

interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: read by what each entrance answers
  readonly body: any;
}

/** A way by which a name comes in. */
interface Entrance {
  readonly title: string;
  readonly route: string;
  /** It takes one segment of a path, and only drives have it. */
  readonly isSegment?: true;
  /** Names that the wire itself can't carry this way. */
  readonly carries?: (name: string) => boolean;
  /** What is there before the first name; its id or name. */
  readonly prepare?: (actor: Actor) => Promise<string>;
  readonly send: (name: string, actor: Actor, prepared: string) => Promise<Reply>;
  /** Where the name stands in the answer, and what then undoes it. */
  readonly nameIn: (data: Reply['body']) => string;
  readonly undo: (path: string, actor: Actor, data: Reply['body']) => Promise<Reply>;
}

const remove = (path: string, actor: Actor) => send('delete', fileUrl(path), actor);
const upload = async (actor: Actor, path = '/storage/upload?fileName=source') =>
  (await sendForm(path, actor, NAMED_X)).body.data.file.id as string;

function announced(fileName: string) {
  return { fileName, size: 7, contentType: 'text/plain' };
}

/** By a signed URL of this app, whatever address it was reached by. */
function sendTo(url: string, { 'content-length': _, ...headers }: Record<string, string>) {
  const { pathname, search } = new URL(url);
  return supertest(world.app).put(`${pathname}${search}`).set(headers).send(Buffer.from('content'));
}

const ENTRANCES: readonly Entrance[] = [
  {
    title: 'an upload’s query',
    route: 'post /storage/upload',
    send: (name, actor) => sendForm(`/storage/upload?fileName=${encodeURIComponent(name)}`, actor, NAMED_X),
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'a form (RFC 8187)',
    route: 'post /storage/upload',
    send: (name, actor) => sendForm('/storage/upload', actor, `filename*=UTF-8''${extended(name)}`),
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'a form, in quotes',
    route: 'post /storage/upload',
    carries: (name) => !/["\\\r\n\0]/.test(name),
    send: (name, actor) => sendForm('/storage/upload', actor, `filename="${name}"`),
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'a new name',
    route: 'patch /storage/files/:fileName',
    prepare: (actor) => upload(actor),
    send: (name, actor) => send('patch', fileUrl('source'), actor, { fileName: name }),
    nameIn: ({ file }) => file.fileName,
    undo: (path, actor) => send('patch', fileUrl(path), actor, { fileName: 'source' }),
  },
  {
    title: 'the target of a copy',
    route: 'post /storage/copy',
    prepare: (actor) => upload(actor),
    send: (name, actor) => send('post', '/storage/copy', actor, { from: 'source', to: name }),
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'an upload by a signed PUT',
    route: 'post /uploads/presign',
    send: async (name, actor) => {
      const opened = await send('post', '/uploads/presign', actor, announced(name));
      if (opened.status !== 201) return opened;
      const { uploadId, url, headers } = opened.body.data;
      await sendTo(url, headers);
      return send('post', '/uploads/complete', actor, { uploadId });
    },
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'an upload in parts',
    route: 'post /uploads/multipart',
    send: async (name, actor) => {
      const opened = await send('post', '/uploads/multipart', actor, announced(name));
      if (opened.status !== 201) return opened;
      const path = `/uploads/multipart/${opened.body.data.uploadId}`;
      const signed = await send('post', `${path}/parts`, actor, { partNumbers: [1] });
      const [{ url, headers }] = signed.body.data.parts;
      const etag = (await sendTo(url, headers)).headers['etag'];
      return send('post', `${path}/complete`, actor, { parts: [{ partNumber: 1, etag }] });
    },
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'an upload by tus',
    route: 'post /uploads/tus',
    send: async (name, actor) => {
      const reply = await new TusActor(world, actor).create(7, { filename: name }, { bytes: Buffer.from('content') });
      if (reply.status !== 201) return reply;
      const id = String(reply.headers['location']).split('/').at(-1);
      const { body } = await send('get', `/uploads/${id}`, actor);
      const where = { id: body.data.upload.fileId };
      const { path } = await world.database.prisma.file.findUniqueOrThrow({ where });
      return { status: reply.status, body: { data: { file: { fileName: path } } } };
    },
    nameIn: ({ file }) => file.fileName,
    undo: remove,
  },
  {
    title: 'a folder',
    route: 'post /drive',
    isSegment: true,
    send: (name, actor) => send('post', '/drive', actor, { name }),
    nameIn: ({ folder }) => folder.name,
    undo: (_, actor, { folder }) => send('delete', `/drive/${folder.id}`, actor),
  },
  {
    title: 'a folder’s new name',
    route: 'patch /drive/:folderId',
    isSegment: true,
    prepare: async (actor) => (await send('post', '/drive', actor, { name: 'source' })).body.data.folder.id,
    send: (name, actor, id) => send('patch', `/drive/${id}`, actor, { name }),
    nameIn: ({ folder }) => folder.name,
    undo: (_, actor, { folder }) => send('patch', `/drive/${folder.id}`, actor, { name: 'source' }),
  },
  {
    title: 'an upload into a folder',
    route: 'post /files',
    isSegment: true,
    send: (name, actor) => sendForm(`/files?fileName=${encodeURIComponent(name)}`, actor, NAMED_X),
    nameIn: ({ file }) => file.name,
    undo: (_, actor, { file }) => send('delete', `/files/${file.id}`, actor),
  },
  {
    title: 'a file’s new name, by id',
    route: 'patch /files/:id',
    isSegment: true,
    prepare: (actor) => upload(actor),
    send: (name, actor, id) => send('patch', `/files/${id}`, actor, { name }),
    nameIn: ({ file }) => file.name,
    undo: (_, actor, { file }) => send('patch', `/files/${file.id}`, actor, { name: 'source' }),
  },
  {
    title: 'a copy’s name, by id',
    route: 'post /files/:id/copy',
    isSegment: true,
    prepare: (actor) => upload(actor),
    send: (name, actor, id) => send('post', `/files/${id}/copy`, actor, { name }),
    nameIn: ({ file }) => file.name,
    undo: (_, actor, { file }) => send('delete', `/files/${file.id}`, actor),
  },
];

/** Lone dots are the URL's own, however they are escaped. */
const inUrl = (name: string) => name !== '' && name !== '.' && name !== '..';

describe('awkward names', () => {
  it('are many, and each is here once', () => {
    expect(AWKWARD_NAMES.length).toBeGreaterThan(500);
    expect(new Set(AWKWARD_NAMES.map(({ name }) => name)).size).toBe(AWKWARD_NAMES.length);
  });

  for (const kind of KINDS) {
    it.each(ENTRANCES.filter(({ isSegment }) => kind === 'drive' || !isSegment))(
      `get one verdict in a ${kind}: $title`,
      { timeout: 120_000 },
      async (entrance) => {
        expect(routes).toContain(entrance.route);
        const actor = await actorOf(kind);
        const prepared = (await entrance.prepare?.(actor)) ?? '';
        const wrong: string[] = [];
        // By path a drive is no other code than a pocket: some of the names will do.
        const names = AWKWARD_NAMES.filter((_, index) => kind === 'pocket' || entrance.isSegment || index % 4 === 0);
        for (const { name, path } of names) {
          if (entrance.carries && !entrance.carries(name)) continue;
          const isOwnSource = entrance.prepare !== undefined && path === 'source';
          const expected = (entrance.isSegment && path?.includes('/')) || isOwnSource ? null : path;
          const reply = await entrance.send(name, actor, prepared);
          const given = reply.status < 300 ? entrance.nameIn(reply.body.data) : reply.status;
          if (given !== (expected ?? 400)) wrong.push(`${titleOf(name)}: ${titleOf(String(given))}`);
          if (reply.status >= 300) {
            const code = reply.body.error?.code;
            if (code !== 'VALIDATION_FAILED') wrong.push(`${titleOf(name)}: ${reply.status} ${code}`);
            continue;
          }
          const undone = await entrance.undo(entrance.nameIn(reply.body.data), actor, reply.body.data);
          if (undone.status >= 300) wrong.push(`${titleOf(name)} cannot be undone: ${undone.status}`);
        }
        expect(wrong).toEqual([]);
      },
    );

    it(`come back as they went in, in a ${kind}`, { timeout: 120_000 }, async () => {
      const actor = await actorOf(kind);
      const paths = [...new Set(AWKWARD_NAMES.flatMap(({ path }) => path ?? []))];
      const wrong: string[] = [];
      for (const [index, path] of paths.entries()) {
        const reply = await sendForm(
          `/storage/upload?fileName=${encodeURIComponent(path)}`,
          actor,
          NAMED_X,
          `content ${index}`,
        );
        if (reply.status !== 201) wrong.push(`upload of ${titleOf(path)}: ${reply.status}`);
      }
      const listed: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await send('get', `/storage/files?limit=200${cursor && `&cursor=${cursor}`}`, actor);
        listed.push(...page.body.data.files.map(({ fileName }: { fileName: string }) => fileName));
        cursor = page.body.meta.nextCursor;
      }
      const inByteOrder = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(listed).toEqual([...paths].sort(inByteOrder));

      for (const [index, path] of paths.entries()) {
        const metadata = await send('get', fileUrl(path, '/metadata'), actor);
        if (metadata.body.data?.file.fileName !== path) wrong.push(`metadata of ${titleOf(path)}: ${metadata.status}`);
        // However it is composed.
        const decomposed = await send('get', fileUrl(path.normalize('NFD'), '/metadata'), actor);
        if (decomposed.status !== 200) wrong.push(`metadata of the NFD of ${titleOf(path)}: ${decomposed.status}`);
        const link = await send('get', fileUrl(path, '?disposition=attachment'), actor);
        const { pathname, search } = new URL(link.body.data.downloadUrl);
        for (const [how, download] of [
          ['content', await send('get', fileUrl(path, '/content'), actor).buffer().responseType('text')],
          ['link', await supertest(world.app).get(`${pathname}${search}`).buffer().responseType('text')],
        ] as const) {
          if (String(download.body) !== `content ${index}`)
            wrong.push(`${how} of ${titleOf(path)}: ${download.status}`);
          const { filename } = parse(download.headers['content-disposition'] ?? '').parameters;
          const last = path.slice(path.lastIndexOf('/') + 1);
          if (filename !== last) wrong.push(`${how}’s name of ${titleOf(last)}: ${titleOf(String(filename))}`);
        }
      }

      const zip = await send('post', '/storage/files/zip', actor, { prefix: '' })
        .buffer(true)
        .parse((res, done) => {
          buffer(res as unknown as Readable).then(
            (bytes) => done(null, bytes),
            (error: Error) => done(error, null),
          );
        });
      const zipped = readZip(zip.body);
      expect(zipped.map(({ content }) => content.toString()).sort()).toEqual(
        paths.map((_, i) => `content ${i}`).sort(),
      );
      expect(zipped.filter(({ name }) => name.split('/').some((part) => ['', '.', '..'].includes(part)))).toEqual([]);

      for (const path of paths) {
        const gone = await remove(path, actor);
        if (gone.body.data?.fileName !== path) wrong.push(`deletion of ${titleOf(path)}: ${gone.status}`);
      }
      expect(wrong).toEqual([]);
      expect((await send('get', '/storage/files', actor)).body.data.files).toEqual([]);
    });

    it(`that are refused are not there, in a ${kind}`, { timeout: 60_000 }, async () => {
      const actor = await actorOf(kind);
      const refused = AWKWARD_NAMES.filter(({ name, path }) => path === null && inUrl(name)).map(({ name }) => name);
      const wrong: string[] = [];
      for (const name of refused) {
        for (const rest of ['', '/content', '/metadata']) {
          const { status } = await send('get', fileUrl(name, rest), actor);
          if (status !== 404) wrong.push(`GET ${titleOf(name)}${rest}: ${status}`);
        }
        const { status } = await remove(name, actor);
        if (status !== 404) wrong.push(`DELETE ${titleOf(name)}: ${status}`);
      }
      expect(wrong).toEqual([]);
      const many = [...refused.slice(0, 200), ...LONE_SURROGATES];
      const bulk = await send('post', '/storage/files/bulk-delete', actor, { fileNames: many });
      expect([200, 400]).toContain(bulk.status);
    });
  }

  it('of half characters are refused wherever JSON brings them', async () => {
    const actor = await actorOf('drive');
    await upload(actor);
    for (const name of LONE_SURROGATES) {
      const body = JSON.stringify({ fileName: name });
      const reply = await supertest(world.app)
        .patch(`/api${fileUrl('source')}`)
        .set(actor.headers)
        .set('content-type', 'application/json')
        .send(body);
      expect(reply.status, body).toBe(400);
      expect(reply.body.error.code).toBe('VALIDATION_FAILED');
    }
  });
});
