import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createHttpServer, listen } from '../../src/http/server.ts';
import { ByteBudget } from '../../src/platform/object-store/byte-budget.ts';
import { type Accounts, type Caller, type Site, startAccounts } from '../support/accounts.ts';
import { BOUNDARY, FORM_END, FORM_TYPE, openSocket, parseAnswer, partHead } from '../support/client-raw.ts';
import { emptyPng, pngChunk } from '../support/png.ts';

const MIB = 1024 * 1024;
const BUDGET_BYTES = 3 * MIB;
const HEAD = partHead({ name: 'photo', fileName: 'a.png', type: 'image/png' });
/** What the forms here say that they have; none of them gets there. */
const ANNOUNCED_BYTES = 4 * MIB;

let small: Buffer;
beforeAll(async () => {
  small = await flat(20, 10).png().toBuffer();
});

function flat(width: number, height: number) {
  return sharp({ create: { width, height, channels: 3, background: '#ff0000' } });
}

/** A process that listens, with a small budget for photos. */
class Listening {
  readonly budget: ByteBudget;
  readonly #site: Site;
  readonly #server: Server;
  readonly #baseUrl: string;

  private constructor(
    site: Site,
    server: Server,
    listening: { readonly baseUrl: string; readonly budget: ByteBudget },
  ) {
    this.#site = site;
    this.#server = server;
    this.#baseUrl = listening.baseUrl;
    this.budget = listening.budget;
  }

  static async start(deadlineMs: number): Promise<Listening> {
    const budget = new ByteBudget(BUDGET_BYTES);
    const site = await startAccounts({}, { workers: false, photoForms: { budget, deadlineMs } });
    const server = createHttpServer(site.accounts.app);
    const { port } = await listen(server, 0, '127.0.0.1');
    return new Listening(site, server, { baseUrl: `http://127.0.0.1:${port}`, budget });
  }

  get accounts(): Accounts {
    return this.#site.accounts;
  }

  put(by: Caller, photo = small) {
    return supertest(this.accounts.app)
      .put('/api/users/photo')
      .auth(by.token, { type: 'bearer' })
      .attach('photo', photo, 'a');
  }

  /** Sends these bytes of a form and falls silent. */
  async stall(by: Caller, ...sent: readonly (Buffer | string)[]): Promise<Socket> {
    const socket = await openSocket(this.#baseUrl);
    socket.write(
      `PUT /api/users/photo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${by.token}\r\n` +
        `Content-Type: ${FORM_TYPE}\r\nContent-Length: ${ANNOUNCED_BYTES}\r\n\r\n`,
    );
    for (const bytes of sent) socket.write(bytes);
    return socket;
  }

  /** Stalls, and waits until the bytes of the photo are held. */
  async hold(by: Caller, bytes: number): Promise<Socket> {
    const before = this.budget.heldBytes;
    const socket = await this.stall(by, HEAD, Buffer.alloc(bytes));
    // The parser keeps back what could begin the next delimiter.
    await vi.waitFor(() => expect(this.budget.heldBytes).toBeGreaterThan(before + bytes - 1024));
    return socket;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#site.stop();
  }
}

/** An answer that comes before the request has been sent whole; the connection stays. */
async function earlyAnswer(socket: Socket) {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  const answer = parseAnswer(chunk.toString());
  if (!answer) throw new Error(`no answer: ${chunk}`);
  return {
    status: answer.status,
    headers: answer.headers,
    body: JSON.parse(chunk.toString().split('\r\n\r\n')[1] ?? ''),
  };
}

describe('stalled forms of photos', () => {
  let here: Listening;
  beforeAll(async () => {
    here = await Listening.start(60_000);
  });
  afterAll(() => here.stop());

  it('are one for each user: the second is refused before it is read', async () => {
    const [evil, somebody] = [await here.accounts.user(), await here.accounts.user()];
    const first = await here.hold(evil, MIB);
    const second = await here.stall(evil);
    const { status, headers, body } = await earlyAnswer(second);
    expect([status, body.error.code, headers.get('retry-after')]).toEqual([429, 'RATE_LIMITED', '2']);
    expect(headers.get('connection')).toBe('close');
    await here.put(evil).expect(429);
    await here.put(somebody).expect(200);
    first.destroy();
    second.destroy();
    await vi.waitFor(() => here.put(evil).expect(200));
    expect(here.budget.heldBytes).toBe(0);
  });

  it('fill the budget of photos and no other', async () => {
    const { budget } = here.accounts.infrastructure;
    const [evil, evilToo, somebody] = await Promise.all([1, 2, 3].map(() => here.accounts.user()));
    if (!evil || !evilToo || !somebody) throw new Error('nobody');
    const sockets = [await here.hold(evil, 1.5 * MIB), await here.hold(evilToo, 1.4 * MIB)];
    const reply = await here.put(somebody, Buffer.alloc(MIB)).expect(503);
    expect(reply.body.error.code).toBe('DEPENDENCY_UNAVAILABLE');
    expect(budget.heldBytes).toBe(0);
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(() => expect(here.budget.heldBytes).toBe(0));
    await here.put(somebody).expect(200);
  });

  it.each([
    ['before the part', []],
    ['in the head of the part', [HEAD.subarray(0, 30)]],
    ['in the photo', [HEAD, Buffer.alloc(MIB)]],
    ['behind the photo', [HEAD, Buffer.alloc(MIB), `\r\n--${BOUNDARY}\r\n`]],
  ])('are let go of when the client disappears %s', async (_where, sent) => {
    const somebody = await here.accounts.user();
    const socket = await here.stall(somebody, ...sent);
    await vi.waitFor(() => here.put(somebody).expect(429));
    socket.destroy();
    await vi.waitFor(() => here.put(somebody).expect(200));
    expect(here.budget.heldBytes).toBe(0);
  });

  it('of many at once by one user one is taken', async () => {
    const somebody = await here.accounts.user();
    const replies = await Promise.all(Array.from({ length: 20 }, () => here.put(somebody)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect(here.budget.heldBytes).toBe(0);
  });
});

describe('a form that takes too long', () => {
  let here: Listening;
  beforeAll(async () => {
    here = await Listening.start(400);
  });
  afterAll(() => here.stop());

  it.each([
    ['before the part', []],
    ['in the head of the part', [HEAD.subarray(0, 30)]],
    ['in the photo', [HEAD, Buffer.alloc(MIB)]],
    ['behind the photo', [HEAD, Buffer.alloc(MIB), `\r\n--${BOUNDARY}\r\n`]],
  ])('is refused %s, and nothing of it stays', async (_where, sent) => {
    const somebody = await here.accounts.user();
    const socket = await here.stall(somebody, ...sent);
    const { status, headers, body } = await earlyAnswer(socket);
    expect([status, headers.get('connection')]).toEqual([400, 'close']);
    expect(body.error).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'body' }] });
    expect(body.error.details[0].message).toContain('took too long');
    expect(here.budget.heldBytes).toBe(0);
    // The connection is still there.
    expect(socket.destroyed).toBe(false);
    await here.put(somebody).expect(200);
    socket.destroy();
  });

  it('is not read on', async () => {
    const somebody = await here.accounts.user();
    const socket = await here.stall(somebody);
    await earlyAnswer(socket);
    const before = here.budget.highWaterBytes;
    const size = ANNOUNCED_BYTES - HEAD.length - FORM_END.length;
    socket.end(Buffer.concat([HEAD, Buffer.alloc(size), FORM_END]));
    socket.resume();
    await once(socket, 'close');
    expect([here.budget.highWaterBytes, here.budget.heldBytes]).toEqual([before, 0]);
    expect((await somebody.get('/users/photo')).status).toBe(404);
  });
});

describe('a picture that would take too much memory', () => {
  let here: Listening;
  let me: Caller;
  beforeAll(async () => {
    here = await Listening.start(60_000);
    me = await here.accounts.user();
  });
  afterAll(() => here.stop());

  it.each([
    [
      'an interlaced PNG',
      'image/png',
      () => emptyPng({ width: 3600, height: 3600, depth: 16, colour: 'rgba', interlaced: true }),
    ],
    ['a PNG of long lines', 'image/png', () => emptyPng({ width: 100_000, height: 5, depth: 16, colour: 'rgba' })],
    ['a progressive JPEG', 'image/jpeg', () => flat(4200, 4200).jpeg({ progressive: true }).toBuffer()],
    ['a WebP', 'image/webp', () => flat(5100, 5100).webp({ effort: 0 }).toBuffer()],
  ])('is refused by its header: %s', async (_what, seen, make) => {
    const reply = await here.put(me, await make()).expect(415);
    expect(reply.body.error).toMatchObject({ code: 'FILE_TYPE_NOT_ALLOWED', details: { seen } });
    expect(reply.body.message).toContain('too many pixels for its kind');
  });

  it.each([
    ['12 megapixels of progressive JPEG', () => flat(4000, 3000).jpeg({ progressive: true }).toBuffer()],
    ['25 megapixels of baseline JPEG', () => flat(5000, 5000).jpeg().toBuffer()],
    ['an interlaced PNG', () => emptyPng({ width: 900, height: 900, depth: 16, colour: 'rgba', interlaced: true })],
  ])('is not %s', async (_what, make) => {
    await here.put(me, await make()).expect(200);
  });

  it('has the texts of a PNG never unfolded', async () => {
    const text = deflateSync(Buffer.alloc(50_000_000), { level: 9 });
    const named = (i: number) => pngChunk('zTXt', Buffer.concat([Buffer.from(`k${i}\0\0`, 'latin1'), text]));
    const extra = Array.from({ length: 50 }, (_, i) => named(i));
    const began = process.cpuUsage().user;
    await here.put(me, emptyPng({ width: 20, height: 20, depth: 8, colour: 'rgba', extra })).expect(200);
    // Unfolded they take ten times this.
    expect((process.cpuUsage().user - began) / 1e6).toBeLessThan(1);
  });
});
