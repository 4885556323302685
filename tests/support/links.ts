import supertest from 'supertest';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../../src/features/audit/index.ts';
import { FileLedgerRepository, FolderLedgerRepository } from '../../src/features/ledger/index.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import type { Accounts } from './accounts.ts';
import { type Person, World } from './world.ts';

const LEDGER = { driveTrashDays: 30 };
const AUDIT = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN };

/** What making a link answers. */
export interface MadeLink {
  readonly id: string;
  readonly token: string;
}

/** Somebody with a drive, and the links of it. */
export class LinkOwner {
  readonly world: World;
  readonly me: Person;
  readonly spaceId: string;

  private constructor(world: World, me: Person, spaceId: string) {
    this.world = world;
    this.me = me;
    this.spaceId = spaceId;
  }

  static async make(accounts: Accounts): Promise<LinkOwner> {
    const world = new World(accounts);
    const me = await world.person();
    const { id } = await world.database.prisma.space.findFirstOrThrow({ where: { ownerId: me.userId, kind: 'DRIVE' } });
    return new LinkOwner(world, me, id);
  }

  /** Puts a file into the drive, replacing; answers its id. */
  async file(path: string, content: string | Buffer = 'content'): Promise<string> {
    const reply = await supertest(this.world.app)
      .post(`/api/storage/upload?fileName=${encodeURIComponent(path)}`)
      .set(this.me.headers)
      .attach('file', Buffer.from(content), `x.${path.split('.').at(-1)}`);
    if (reply.status !== 201) throw new Error(`the upload was refused: ${JSON.stringify(reply.body)}`);
    return reply.body.data.file.id;
  }

  async folderId(path: string): Promise<string> {
    const { prisma } = this.world.database;
    return (await prisma.folder.findFirstOrThrow({ where: { spaceId: this.spaceId, path } })).id;
  }

  /** Moves a folder to a name directly in the drive. */
  async moveFolder(path: string, to: string): Promise<void> {
    const { database } = this.world;
    const folder = { id: await this.folderId(path), path };
    const move = { folder, to: { path: to, parentId: null }, limit: 100, operationId: newId(), ...AUDIT };
    const folders = new FolderLedgerRepository(database, LEDGER);
    await database.prisma.$transaction((tx) => folders.move(tx, this.spaceId, move));
  }

  async deleteFolder(path: string): Promise<void> {
    const { database } = this.world;
    const deletion = { folder: { id: await this.folderId(path), path }, limit: 100, operationId: newId(), ...AUDIT };
    const folders = new FolderLedgerRepository(database, LEDGER);
    await database.prisma.$transaction((tx) => folders.delete(tx, this.spaceId, deletion));
  }

  /** Past the trash. */
  async destroyFile(id: string): Promise<void> {
    const files = new FileLedgerRepository(this.world.database, LEDGER);
    await files.delete(this.spaceId, [{ id }], { permanent: true, ...AUDIT });
  }

  send(method: 'get' | 'post' | 'delete' | 'patch', path: string, body?: object) {
    return this.world.send(method, body ? { path, body } : { path }, this.me.headers);
  }

  async link(wish: object): Promise<MadeLink> {
    const reply = await this.send('post', '/shares/links', wish);
    if (reply.status !== 201) throw new Error(`the link was refused: ${JSON.stringify(reply.body)}`);
    return { id: reply.body.data.link.id, token: reply.body.data.token };
  }
}

/** Reads a body as bytes, whatever its type. */
export function bytes(test: supertest.Test): supertest.Test {
  return test.buffer(true).parse((res, done) => {
    const chunks: Buffer[] = [];
    res.on('data', (chunk: Buffer) => chunks.push(chunk));
    res.on('end', () => done(null, Buffer.concat(chunks)));
  });
}
