import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declaredRoutes } from '../../scripts/declared-routes.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { type Site, startAccounts } from '../support/accounts.ts';
import { routeCases } from '../support/route-cases/index.ts';
import { type Call, type Person, World } from '../support/world.ts';

// Whoever was let in and then holds the body back must not act once the door has been closed: for every route with a body.

const ROUTES = declaredRoutes().filter(
  ({ access, body, operationId }) =>
    (body !== undefined || operationId === 'setPhoto') && access !== 'anyone' && access !== 'leaving',
);

let site: Site;
let world: World;
let server: ReturnType<typeof createHttpServer>;

beforeAll(async () => {
  site = await startAccounts();
  world = new World(site.accounts);
  server = createHttpServer(site.accounts.app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await site.stop();
});

const ENDINGS: [string, string, (me: Person) => Promise<unknown>][] = [
  [
    'the session was ended',
    'UNAUTHENTICATED',
    ({ sessionId: id }) => world.database.prisma.session.update({ where: { id }, data: { revokedAt: new Date() } }),
  ],
  [
    'the account was disabled',
    'ACCOUNT_DISABLED',
    ({ userId: id }) => world.database.prisma.user.update({ where: { id }, data: { disabledAt: new Date() } }),
  ],
  ['the account was to be deleted', 'ACCOUNT_DELETION_PENDING', ({ userId }) => world.beginDeletion(userId)],
];

async function refusalOf(route: (typeof ROUTES)[number], me: Person, close: () => Promise<unknown>): Promise<string> {
  const call: Call = (await routeCases[route.operationId]?.call(world, me)) ?? { path: route.path };
  const [type, body] = call.attach ? formOf(call.attach) : ['application/json', Buffer.from(JSON.stringify(call.body))];
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const head = [
    `${route.method.toUpperCase()} /api${call.path} HTTP/1.1`,
    'host: localhost',
    `content-type: ${type}`,
    `content-length: ${body.length}`,
    'connection: close',
    // The answer to this comes when the request has been let in, and not before.
    'expect: 100-continue',
    ...Object.entries(me.headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  expect(await textUntil(socket, '\r\n\r\n')).toContain('100 Continue');
  await close();
  socket.write(body);
  const answer = await textUntil(socket, null);
  return (JSON.parse(answer.slice(answer.indexOf('{'))) as { error?: { code: string } }).error?.code ?? answer;
}

function formOf({ field, name, bytes }: NonNullable<Call['attach']>): [string, Buffer] {
  const head = `--x\r\ncontent-disposition: form-data; name="${field}"; filename="${name}"\r\n\r\n`;
  return ['multipart/form-data; boundary=x', Buffer.concat([Buffer.from(head), bytes, Buffer.from('\r\n--x--\r\n')])];
}

async function textUntil(socket: Socket, end: string | null): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (end !== null && text.includes(end)) return text;
  }
  return text;
}

describe.each(ROUTES.map((route): [string, (typeof ROUTES)[number]] => [route.operationId, route]))(
  '%s',
  (_id, route) => {
    const state = { admin: route.access === 'admin' };
    it.each(ENDINGS)('does nothing when meanwhile %s', async (_what, code, end) => {
      const me = await world.person(state);
      expect(await refusalOf(route, me, () => end(me))).toBe(code);
    });

    if (route.access !== 'admin') return;
    it('does nothing when meanwhile the admin was demoted', async () => {
      const me = await world.person(state);
      const demote = () => world.database.prisma.user.update({ where: { id: me.userId }, data: { role: 'USER' } });
      expect(await refusalOf(route, me, demote)).toBe('FORBIDDEN');
    });
  },
);
