import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { PASSWORD, type Site, startAccounts } from '../support/accounts.ts';
import { losingAnswers } from '../support/lost-answers.ts';
import { auditSpace } from '../support/spaces.ts';
import { metadataOf, TUS, TusActor } from '../support/tus-actor.ts';
import { type Call, codeOf, type Person, World } from '../support/world.ts';

// Whoever sends a key again gets its answer only while the same request would still be let in.

const HOUR = 3600;
const CONTENT = { field: 'file', bytes: Buffer.from('content'), name: 'a.txt' };
const PDF = Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n', 'latin1');
/** What a form that is only compared may take at least. */
const LEAST_COMPARE_MS = 30_000;

let site: Site;
let world: World;
let server: ReturnType<typeof createHttpServer>;

beforeAll(async () => {
  site = await startAccounts({}, { workers: false });
  world = new World(site.accounts);
  server = createHttpServer(site.accounts.app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});

type Headers = Readonly<Record<string, string>>;

/** A request, and what takes the right to it away again. */
interface Withdrawn {
  readonly call: Call;
  readonly root?: boolean;
  readonly headers: Headers;
  readonly withdraw: (first: { readonly body: Answer }) => Promise<unknown>;
  /** Those of the second time, where they are others. */
  readonly headersAgain?: Headers;
}

// biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the tests' expectations
type Answer = any;

interface Case {
  readonly operationId: string;
  readonly what: string;
  readonly code: string;
  readonly prepare: () => Promise<Withdrawn>;
}

const CASES: readonly Case[] = [
  atDrop('that was revoked', 'LINK_NOT_FOUND', async ({ id, owner }) => ({
    withdraw: () => world.send('delete', { path: `/shares/links/${id}` }, owner.headers),
  })),
  atDrop('that has expired', 'LINK_NOT_FOUND', async () => ({
    withdraw: async () => site.accounts.clock.advance(2 * HOUR),
  })),
  atDrop('whose folder is gone', 'LINK_NOT_FOUND', async ({ folderId, owner }) => ({
    withdraw: () => world.send('delete', { path: `/drive/${folderId}` }, owner.headers),
  })),
  atDrop('without its password', 'LINK_PASSWORD_REQUIRED', async () => ({ headersAgain: {} })),
  atDrop('with a wrong password', 'INVALID_CREDENTIALS', async () => ({
    headersAgain: { 'x-link-password': 'another one' },
  })),
  ...['uploadDriveFile', 'createFolder', 'copyDriveFile'].flatMap((operationId) => [
    inShare(operationId, {
      what: 'that is shared no more',
      code: operationId === 'copyDriveFile' ? 'FILE_NOT_FOUND' : 'FOLDER_NOT_FOUND',
      withdraw: (shareId, owner) => world.send('delete', { path: `/shares/${shareId}` }, owner.headers),
    }),
    inShare(operationId, {
      what: 'that is shared for viewing by now',
      code: 'FORBIDDEN',
      withdraw: (shareId, owner) =>
        world.send('patch', { path: `/shares/${shareId}`, body: { permission: 'VIEW' } }, owner.headers),
    }),
  ]),
  registered('that was disabled', 'ACCOUNT_DISABLED', ({ user }) =>
    world.database.prisma.user.update({ where: { id: user.id }, data: { disabledAt: new Date() } }),
  ),
  registered('that has logged out', 'CONFLICT', ({ token }) =>
    world.send('post', { path: '/auth/logout' }, { authorization: `Bearer ${token}` }),
  ),
  registered('that is about to be deleted', 'CONFLICT', ({ token }) =>
    world.send(
      'delete',
      { path: '/users/account', body: { password: PASSWORD } },
      { authorization: `Bearer ${token}` },
    ),
  ),
  registered('that has new tokens', 'CONFLICT', ({ refreshToken }) =>
    world.send('post', { path: '/auth/refresh', body: { refreshToken } }, {}),
  ),
];

it('is tried with every route that asks', () => {
  const asking = declaredRoutes().filter(({ mayReplay }) => mayReplay);
  expect(new Set(CASES.map(({ operationId }) => operationId))).toEqual(
    new Set(asking.map(({ operationId }) => operationId)),
  );
});

describe.each(CASES.map((one): [string, string, Case] => [one.operationId, one.what, one]))(
  '%s %s',
  (_id, _what, { prepare, code }) => {
    it.each(['as it was answered', 'when its answer was lost'])('is refused %s', async (how) => {
      const { call, headers, withdraw, headersAgain = headers, root } = await prepare();
      const key = { 'idempotency-key': randomUUID() };
      const send = () => world.send('post', call, { ...headers, ...key }, root);
      const first = how === 'as it was answered' ? await send() : await losingAnswers(world.database, send);
      expect(first.status, JSON.stringify(first.body)).toBe(201);
      const gone = await withdraw(first);
      expect((gone as { status?: number } | undefined)?.status ?? 200).toBeLessThan(300);
      const before = await world.database.prisma.auditLog.count();
      const again = await world.send('post', call, { ...headersAgain, ...key }, root);
      expect([codeOf(again), again.headers['idempotency-replayed']]).toEqual([code, undefined]);
      if (code === 'CONFLICT') {
        const { id: subjectId } = first.body.data.user;
        expect(again.body.error.details).toEqual({ subjectType: 'user', subjectId });
      }
      expect(await world.database.prisma.auditLog.count()).toBe(before);
    });
  },
);

describe('an answer', () => {
  it('about the own drive is given whatever became of the folder', async () => {
    const me = await world.person();
    const folderId = await folder(me);
    const call = { path: `/files?folderId=${folderId}`, attach: CONTENT };
    const headers = { ...me.headers, 'idempotency-key': randomUUID() };
    const first = await world.send('post', call, headers);
    expect((await world.send('delete', { path: `/drive/${folderId}` }, me.headers)).status).toBe(200);
    const again = await world.send('post', call, headers);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.body).toEqual(first.body);
  });

  it('to a registration does not end the session that has gone on', async () => {
    const call = { path: '/auth/register', body: { email: world.accounts.newEmail(), password: PASSWORD } };
    const headers = { 'idempotency-key': randomUUID() };
    const { refreshToken } = (await world.send('post', call, headers)).body.data;
    const renewed = await world.send('post', { path: '/auth/refresh', body: { refreshToken } }, {});
    expect((await world.send('post', call, headers)).status).toBe(409);
    const next = { refreshToken: renewed.body.data.refreshToken };
    expect((await world.send('post', { path: '/auth/refresh', body: next }, {})).status).toBe(200);
  });
});

describe('a form that is only compared', () => {
  it('is not waited for beyond its time', async () => {
    const me = await world.person();
    const key = randomUUID();
    await world.send('post', { path: '/files', attach: CONTENT }, { ...me.headers, 'idempotency-key': key });
    const { socket, deadline } = await beganAgain('/files', me, key);
    deadline();
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 400 [\s\S]*"VALIDATION_FAILED"[\s\S]*took too long/);
  });

  it('and takes long is answered only if its sender still may then', async () => {
    const [owner, guest] = await Promise.all([world.person(), world.person()]);
    const folderId = await folder(owner);
    const wish = { folderId, email: guest.email, permission: 'EDIT' };
    const { share } = (await world.send('post', { path: '/shares', body: wish }, owner.headers)).body.data;
    const key = randomUUID();
    const path = `/files?folderId=${folderId}`;
    const first = await world.send('post', { path, attach: CONTENT }, { ...guest.headers, 'idempotency-key': key });
    expect(first.status).toBe(201);
    const { socket } = await beganAgain(path, guest, key);
    await world.send('delete', { path: `/shares/${share.id}` }, owner.headers);
    const later = performance.now() + 60_000;
    vi.spyOn(performance, 'now').mockReturnValue(later);
    socket.write(FORM_REST);
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 404 [\s\S]*"FOLDER_NOT_FOUND"/);
  });
});

const FORM_BEGIN = `--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\ncontent-type: text/plain\r\n\r\nc`;
const FORM_REST = 'ontent\r\n--x--\r\n';

/** The same request once more as far as the first byte of its file, and what happens when its time is over. */
async function beganAgain(path: string, { headers }: Person, key: string) {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const lines = [
    `POST /api${path} HTTP/1.1`,
    'host: localhost',
    'connection: close',
    'content-type: multipart/form-data; boundary=x',
    `content-length: ${FORM_BEGIN.length + FORM_REST.length}`,
    `idempotency-key: ${key}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n${FORM_BEGIN}`);
  const deadline = await vi.waitFor(() => {
    const found = timers.mock.calls.find(([, ms = 0]) => ms > LEAST_COMPARE_MS && ms < LEAST_COMPARE_MS + 10);
    if (!found) throw new Error('no deadline was set');
    return found[0] as () => void;
  });
  return { socket, deadline };
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

describe('a resumable upload', () => {
  it.each([
    ['whose content is refused', 'CONTENT_MISMATCH', PDF.length],
    ['of more bytes than announced', 'BODY_TOO_LARGE', 2],
  ])('%s leaves its key free', async (_what, code, length) => {
    const key = await world.key(await world.person());
    const tus = new TusActor(world, key);
    const text = randomUUID();
    const headers = { 'idempotency-key': text };
    for (let round = 1; round <= 2; round += 1) {
      const refused = await tus.create(length, { filename: 'a.png', filetype: 'image/png' }, { bytes: PDF, headers });
      expect(codeOf(refused)).toBe(code);
      expect(await world.database.prisma.idempotencyKey.findFirst({ where: { key: text } })).toBeNull();
    }
    expect((await tus.create(PDF.length, { filename: 'b' }, { bytes: PDF, headers })).status).toBe(201);
    const state = await auditSpace(world.database, await world.spaceId(key));
    expect(state).toMatchObject({ usedObjects: 1, uploads: 0, faults: [] });
  });

  it('that another attempt has opened since keeps its key', async () => {
    const key = await world.key(await world.person());
    const { prisma } = world.database;
    const text = randomUUID();
    const opened = await new TusActor(world, key).create(
      4,
      { filename: 'a.txt' },
      { headers: { 'idempotency-key': text } },
    );
    const uploadId = String(opened.headers['location']).split('/').at(-1) ?? '';
    const { id, attempt } = await prisma.idempotencyKey.findFirstOrThrow({ where: { key: text } });
    const spaceId = await world.spaceId(key);
    const audit = { actor_type: 'SYSTEM', idempotency_id: id, idempotency_attempt: attempt + 1 };
    const undo = (json: object, upload: string) =>
      prisma.$queryRaw<{ outcome: string }[]>`
        SELECT ledger_undo_session(${spaceId}::uuid, ${upload}::uuid, ${JSON.stringify(json)}::jsonb) AS outcome`;
    const marked = () => prisma.idempotencyKey.findUniqueOrThrow({ where: { id } }).then(({ subjectId }) => subjectId);
    expect(await undo({ ...audit, idempotency_attempt: attempt }, newId())).toEqual([{ outcome: 'gone' }]);
    expect(await undo(audit, uploadId)).toEqual([{ outcome: 'aborted' }]);
    expect(await marked()).toBe(uploadId);
    expect(await undo({ ...audit, idempotency_attempt: attempt }, uploadId)).toEqual([{ outcome: 'ended' }]);
    expect(await marked()).toBeNull();
  });

  it('is answered when its attempt has ended, so that the next request finds it', async () => {
    const key = await world.key(await world.person());
    for (let round = 1; round <= 10; round += 1) {
      const text = randomUUID();
      const call: Call = {
        path: '/uploads/tus',
        headers: { ...TUS, 'Upload-Length': '9', 'Upload-Metadata': metadataOf({ filename: `${round}.txt` }) },
      };
      const headers = { ...key.headers, 'idempotency-key': text };
      const first = await world.send('post', call, headers);
      const again = await world.send('post', call, headers);
      expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, 'true']);
      const idOf = (reply: typeof first) => String(reply.headers['location']).split('/').at(-1);
      expect(idOf(again)).toBe(idOf(first));
    }
  });
});

interface Drop {
  readonly id: string;
  readonly folderId: string;
  readonly owner: Person;
}

function atDrop(
  what: string,
  code: string,
  change: (drop: Drop) => Promise<Partial<Pick<Withdrawn, 'withdraw' | 'headersAgain'>>>,
): Case {
  const prepare = async () => {
    const owner = await world.person();
    const folderId = await folder(owner);
    const expiresAt = new Date(site.accounts.clock.now().getTime() + HOUR * 1000).toISOString();
    const wish = { folderId, allowUpload: true, maxUploadBytes: 1000, password: PASSWORD, expiresAt };
    const made = await world.send('post', { path: '/shares/links', body: wish }, owner.headers);
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    const { token, link } = made.body.data;
    return {
      call: { path: `/s/${token}/files`, attach: CONTENT },
      root: true,
      headers: { 'x-link-password': PASSWORD },
      withdraw: async () => undefined,
      ...(await change({ id: link.id, folderId, owner })),
    };
  };
  return { operationId: 'dropFile', what: `at a link ${what}`, code, prepare };
}

function inShare(
  operationId: string,
  {
    what,
    code,
    withdraw,
  }: Pick<Case, 'what' | 'code'> & { readonly withdraw: (shareId: string, owner: Person) => PromiseLike<unknown> },
): Case {
  const prepare = async () => {
    const [owner, guest] = await Promise.all([world.person(), world.person()]);
    const folderId = await folder(owner);
    const wish = { folderId, email: guest.email, permission: 'EDIT' };
    const shared = await world.send('post', { path: '/shares', body: wish }, owner.headers);
    expect(shared.status, JSON.stringify(shared.body)).toBe(201);
    const upload = { path: `/files?folderId=${folderId}`, attach: { ...CONTENT, name: 'first.txt' } };
    const { id: fileId } = (await world.send('post', upload, owner.headers)).body.data.file;
    const calls: Readonly<Record<string, Call>> = {
      uploadDriveFile: { path: `/files?folderId=${folderId}`, attach: CONTENT },
      createFolder: { path: '/drive', body: { name: 'below', parentId: folderId } },
      copyDriveFile: { path: `/files/${fileId}/copy`, body: { name: 'copy.txt' } },
    };
    const call = calls[operationId];
    if (!call) throw new Error(`no call for ${operationId}`);
    return {
      call,
      headers: guest.headers,
      withdraw: async () => withdraw(shared.body.data.share.id, owner),
    };
  };
  return { operationId, what: `in a folder ${what}`, code, prepare };
}

function registered(what: string, code: string, withdraw: (session: Answer) => PromiseLike<unknown>): Case {
  const prepare = async () => ({
    call: { path: '/auth/register', body: { email: world.accounts.newEmail(), password: PASSWORD } },
    headers: {},
    withdraw: async ({ body }: { readonly body: Answer }) => withdraw(body.data),
  });
  return { operationId: 'register', what: `of an account ${what}`, code, prepare };
}

async function folder(owner: Person): Promise<string> {
  const reply = await world.send('post', { path: '/drive', body: { name: randomUUID() } }, owner.headers);
  return reply.body.data.folder.id;
}
