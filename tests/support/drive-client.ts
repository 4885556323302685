import { newId } from '../../src/platform/crypto/random.ts';
import type { Call, Person, World } from './world.ts';

/** A person with a drive, who makes and reads things in it over HTTP. */
export class DriveClient {
  readonly world: World;
  readonly person: Person;
  readonly spaceId: string;

  private constructor(world: World, person: Person, spaceId: string) {
    this.world = world;
    this.person = person;
    this.spaceId = spaceId;
  }

  static async of(world: World, person?: Person): Promise<DriveClient> {
    const who = person ?? (await world.person());
    const where = { ownerId: who.userId, kind: 'DRIVE' } as const;
    return new DriveClient(world, who, (await world.database.prisma.space.findFirstOrThrow({ where })).id);
  }

  get(path: string) {
    return this.#send('get', { path });
  }

  post(path: string, body: object) {
    return this.#send('post', { path, body });
  }

  patch(path: string, body: object) {
    return this.#send('patch', { path, body });
  }

  delete(path: string) {
    return this.#send('delete', { path });
  }

  /** Sends a form with one file. */
  form(method: 'post' | 'put', path: string, content: string, name = 'file.txt') {
    return this.#send(method, { path, attach: { field: 'file', bytes: Buffer.from(content), name } });
  }

  /** The id of a new folder. */
  async folder(name: string, parentId?: string): Promise<string> {
    const reply = await this.post('/drive', { name, ...(parentId && { parentId }) });
    if (reply.status !== 201) throw new Error(JSON.stringify(reply.body));
    return reply.body.data.folder.id;
  }

  /** The id of a new file. */
  async upload(name: string, folderId: string | null, content = 'content'): Promise<string> {
    const into = folderId === null ? '' : `&folderId=${folderId}`;
    const reply = await this.form('post', `/files?fileName=${encodeURIComponent(name)}${into}`, content);
    if (reply.status !== 201) throw new Error(JSON.stringify(reply.body));
    return reply.body.data.file.id;
  }

  /** What lies directly in a folder, or, for null, in the drive. */
  async level(folderId: string | null) {
    const reply = await this.get(folderId === null ? '/drive' : `/drive/${folderId}`);
    if (reply.status !== 200) throw new Error(JSON.stringify(reply.body));
    return reply.body.data;
  }

  /** Shares a file or folder of this drive; answers the share's id. */
  async share(
    subject: { readonly fileId: string } | { readonly folderId: string },
    grantee: DriveClient,
    permission: 'VIEW' | 'EDIT',
    expiresAt: Date | null = null,
  ): Promise<string> {
    const id = newId();
    await this.world.database.prisma.share.create({
      data: {
        id,
        spaceId: this.spaceId,
        ownerId: this.person.userId,
        ...subject,
        subjectId: 'fileId' in subject ? subject.fileId : subject.folderId,
        granteeKey: `email:${grantee.person.email}`,
        granteeEmail: grantee.person.email,
        granteeId: grantee.person.userId,
        permission,
        expiresAt,
      },
    });
    return id;
  }

  #send(method: Parameters<World['send']>[0], call: Call) {
    return this.world.send(method, call, this.person.headers);
  }
}
