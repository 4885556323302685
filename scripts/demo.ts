// `npm run demo`: starts a service of its own on a temporary folder, walks the README's way through it by HTTP, prints
// each step with the curl line that does the same, stops the service and removes the folder. Ends with 0, or with 1 and
// the step that failed. It uses nothing but what any client has: HTTP, and the mail in the outbox.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { curlOf, type Json, paint, type Sender, type Step, show, statusOf } from './demo-format.ts';

const ROOT = join(import.meta.dirname, '..');
const START_WITHIN_MS = 60_000;
const LOG_TAIL_LINES = 15;
const ADMIN_EMAIL = 'admin@localhost';
/** One running service and what is known of it. */
interface Service {
  readonly child: ChildProcess;
  readonly origin: string;
}

class Demo {
  readonly directory: string;
  readonly adminPassword = process.env['ADMIN_PASSWORD'] ?? randomBytes(12).toString('base64url');
  readonly #log: string[] = [];
  readonly #headers: Record<Sender, Record<string, string>> = { nobody: {}, ada: {}, admin: {}, key: {} };
  #service: Service | null = null;
  #number = 0;
  /** What is being done, for the report of a failure. */
  current = 'Start a service';

  constructor(directory: string) {
    this.directory = directory;
  }

  get origin(): string {
    return this.#service?.origin ?? '';
  }

  /** The service's last words. */
  logTail(): string {
    return this.#log.slice(-LOG_TAIL_LINES).join('\n');
  }

  async start(): Promise<void> {
    const { PATH = '', HOME = '' } = process.env;
    // In a process group of its own: Ctrl-C is for this process, which then stops the service in order.
    const child = spawn(process.execPath, ['src/main.ts'], {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH,
        HOME,
        DATA_DIR: this.directory,
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_EMAIL,
        ADMIN_PASSWORD: this.adminPassword,
      },
    });
    this.#service = { child, origin: '' };
    const listening = Promise.withResolvers<number>();
    createInterface({ input: child.stderr }).on('line', (line) => this.#log.push(line));
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#log.push(line);
      const port = /"port":(\d+).*"msg":"listening"/.exec(line)?.[1];
      if (port !== undefined) listening.resolve(Number(port));
    });
    child.once('exit', (code) => listening.reject(new Error(`the service ended with code ${code}`)));
    const late = delay(START_WITHIN_MS, undefined, { ref: false }).then(() =>
      Promise.reject(new Error(`the service did not start within ${START_WITHIN_MS / 1000} s`)),
    );
    const port = await Promise.race([listening.promise, late]);
    this.#service = { child, origin: `http://127.0.0.1:${port}` };
  }

  /** Tells the service to stop, without waiting. */
  abandon(): void {
    this.#service?.child.kill('SIGTERM');
  }

  /** Stops the service, and with it its database, and removes the folder. */
  async close(): Promise<void> {
    const child = this.#service?.child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** From now on these are the sender's credentials. */
  know(sender: Sender, headers: Record<string, string>): void {
    this.#headers[sender] = headers;
  }

  heading(title: string, command: string): void {
    this.#number += 1;
    this.current = `${this.#number}. ${title}`;
    console.log(`\n${paint('bold', this.current)}`);
    console.log(paint('dim', `   $ ${command}`));
  }

  result(text: string): void {
    console.log(text.replaceAll(/^/gm, '   '));
  }

  /** Does one step, prints it, and answers the envelope's `data`; throws when the status is not the expected one. */
  async call<Data extends Json>(step: Step): Promise<Data> {
    const response = await this.#send(step);
    const text = await response.text();
    const envelope = JSON.parse(text) as { data?: Data; error?: Json };
    this.result(`${statusOf(response)} ${show(envelope.data ?? envelope.error ?? null)}`);
    assertStatus(step, response);
    return (envelope.data ?? null) as Data;
  }

  /** The same for content. */
  async download(step: Step): Promise<Buffer> {
    const response = await this.#send(step);
    const bytes = Buffer.from(await response.arrayBuffer());
    const kept = ['content-type', 'content-range', 'content-disposition', 'etag'];
    const headers = kept.flatMap((name) =>
      response.headers.has(name) ? [`${name}: ${response.headers.get(name)}`] : [],
    );
    this.result([`${statusOf(response)} ${bytes.length} bytes`, ...headers].join('\n  '));
    assertStatus(step, response);
    return bytes;
  }

  async #send(step: Step): Promise<Response> {
    const { method = 'GET', path, as, json, file, range } = step;
    const url = path.startsWith('http') ? path : `${this.origin}/api${path}`;
    this.heading(step.title, curlOf({ ...step, path: url }));
    const body = new FormData();
    if (file) body.set('file', new File([new Uint8Array(file.content)], file.name, { type: file.type }));
    return fetch(url, {
      method,
      headers: {
        ...this.#headers[as],
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...(range ? { range } : {}),
      },
      ...(json ? { body: JSON.stringify(json) } : {}),
      ...(file ? { body } : {}),
    });
  }
}

async function walk(demo: Demo): Promise<void> {
  const password = randomBytes(12).toString('base64url');
  const registered = await demo.call<{ token: string }>({
    title: 'Register Ada',
    as: 'nobody',
    method: 'POST',
    path: '/auth/register',
    json: { email: 'ada@example.com', password, name: 'Ada Lovelace' },
    expect: 201,
  });
  demo.know('ada', { authorization: `Bearer ${registered.token}` });
  const code = await readCode(demo);
  await demo.call({ title: 'Verify the e-mail address', as: 'ada', method: 'POST', path: `/otp/verify/${code}` });

  const asked = await demo.call<{ request: { id: string } }>({
    title: 'Ask for an API key: 5 GB, 10,000 objects',
    as: 'ada',
    method: 'POST',
    path: '/apiKeys/request/create',
    json: {
      keyName: 'photo backup',
      requestedStorageGB: 5,
      requestedObjects: 10_000,
      reason: 'Nightly backup of the photo library',
    },
    expect: 201,
  });
  const greedy = await demo.call<{ request: { id: string } }>({
    title: 'Ask for a second one: 900 GB',
    as: 'ada',
    method: 'POST',
    path: '/apiKeys/request/create',
    json: {
      keyName: 'everything',
      requestedStorageGB: 900,
      requestedObjects: 1_000_000,
      reason: 'Just in case I need it',
    },
    expect: 201,
  });
  const key = await review(demo, asked.request.id, greedy.request.id);
  await claim(demo, key);
  await useStorage(demo);
  await useDrive(demo);
}

async function readCode(demo: Demo): Promise<string> {
  const outbox = join(demo.directory, 'outbox');
  demo.heading('Read the code from the outbox (no mail server is configured)', `grep -h 'Your code' ${outbox}/*.eml`);
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await delay(50)) {
    const names = await readdir(outbox).catch(() => []);
    const mails = await Promise.all(
      names.filter((name) => name.endsWith('.eml')).map((name) => readFile(join(outbox, name), 'utf8')),
    );
    const code = mails.flatMap((mail) => /^Your code: (\d{6})$/m.exec(mail)?.[1] ?? [])[0];
    if (code === undefined) continue;
    demo.result(`Your code: ${code}`);
    return code;
  }
  throw new Error(`no mail with a code came into ${outbox}`);
}

/** Approves the one and rejects the other; answers the id of the new key. */
async function review(demo: Demo, approvedId: string, rejectedId: string): Promise<string> {
  const admin = await demo.call<{ token: string }>({
    title: 'The admin logs in',
    as: 'nobody',
    method: 'POST',
    path: '/auth/login',
    json: { email: ADMIN_EMAIL, password: demo.adminPassword },
  });
  demo.know('admin', { authorization: `Bearer ${admin.token}` });
  await demo.call({
    title: 'The admin sees who waits',
    as: 'admin',
    path: '/apiKeys/request/admin/all?status=PENDING',
  });
  const { apiKey } = await demo.call<{ apiKey: { id: string } }>({
    title: 'The admin approves the first',
    as: 'admin',
    method: 'PATCH',
    path: `/apiKeys/request/admin/review/${approvedId}`,
    json: { approved: true, reviewerComment: 'Welcome' },
  });
  await demo.call({
    title: 'The admin rejects the second, and says why',
    as: 'admin',
    method: 'PATCH',
    path: `/apiKeys/request/admin/review/${rejectedId}`,
    json: { approved: false, reviewerComment: 'Please start with less' },
  });
  return apiKey.id;
}

async function claim(demo: Demo, apiKeyId: string): Promise<void> {
  await demo.call({ title: 'Ada sees what became of her requests', as: 'ada', path: '/apiKeys/request' });
  const { accessKeyId, secretKey } = await demo.call<{ accessKeyId: string; secretKey: string }>({
    title: 'Ada claims the secret, which nobody else ever sees',
    as: 'ada',
    method: 'POST',
    path: `/apiKeys/${apiKeyId}/claim`,
  });
  demo.know('key', { 'x-access-key-id': accessKeyId, 'x-secret-key': secretKey });
  await demo.call({
    title: 'A second time it is not shown',
    as: 'ada',
    method: 'POST',
    path: `/apiKeys/${apiKeyId}/claim`,
    expect: 409,
  });
}

async function useStorage(demo: Demo): Promise<void> {
  const picture = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), randomBytes(48_000)]);
  const upload = (title: string, fileName: string, type: string, content: Buffer) =>
    demo.call({
      title,
      as: 'key',
      method: 'POST',
      path: `/storage/upload?fileName=${encodeURIComponent(fileName)}`,
      file: { name: fileName.split('/').at(-1) ?? '', type, content },
      expect: 201,
    });
  await upload('The application uploads a picture', 'photos/2026/cat.png', 'image/png', picture);
  await upload('... another', 'photos/2026/dog.png', 'image/png', picture.subarray(0, 9_000));
  await upload('... and a note', 'notes/read me.txt', 'text/plain', Buffer.from('Remember the milk.\n'));
  await demo.call({ title: 'List a folder', as: 'key', path: '/storage/files?prefix=photos/2026/&limit=10' });
  const cat = `/storage/files/${encodeURIComponent('photos/2026/cat.png')}`;
  const { downloadUrl } = await demo.call<{ downloadUrl: string }>({
    title: 'Get a download link that is good for ten minutes',
    as: 'key',
    path: `${cat}?expiresIn=600`,
  });
  const downloaded = await demo.download({ title: 'Anybody who has it downloads', as: 'nobody', path: downloadUrl });
  if (!downloaded.equals(picture)) throw new Error('the download is not what was uploaded');
  const part = await demo.download({
    title: 'Read a part of it through the API',
    as: 'key',
    path: `${cat}/content`,
    range: 'bytes=0-7',
    expect: 206,
  });
  if (!part.equals(picture.subarray(0, 8))) throw new Error('the range is not what was uploaded');
  await demo.call({ title: 'All that is known of it', as: 'key', path: `${cat}/metadata` });
  await demo.call({ title: 'Delete it', as: 'key', method: 'DELETE', path: cat });
  await demo.call({
    title: 'Delete several; one is not there',
    as: 'key',
    method: 'POST',
    path: '/storage/files/bulk-delete',
    json: { fileNames: ['photos/2026/dog.png', 'photos/2026/bird.png'] },
  });
  const { usage } = await demo.call<{ usage: { objects: number; bytesUsed: number } }>({
    title: 'What is used, and what is left',
    as: 'key',
    path: '/storage/usage',
  });
  if (usage.objects !== 1 || usage.bytesUsed !== 19) throw new Error('the usage is not that of the one note left');
}

/** Ada's own drive: a folder, a file in it, a link for everybody, the trash. */
async function useDrive(demo: Demo): Promise<void> {
  const content = Buffer.from('The sea, the sea\n');
  const { folder } = await demo.call<{ folder: { id: string } }>({
    title: 'Ada makes a folder in her own drive',
    as: 'ada',
    method: 'POST',
    path: '/drive',
    json: { name: 'Holidays' },
    expect: 201,
  });
  const { file } = await demo.call<{ file: { id: string } }>({
    title: '... and puts a file into it',
    as: 'ada',
    method: 'POST',
    path: `/files?folderId=${folder.id}`,
    file: { name: 'sea.txt', type: 'text/plain', content },
    expect: 201,
  });
  await demo.call({
    title: 'She shares it with a friend; the answer is the same whether there is such an account',
    as: 'ada',
    method: 'POST',
    path: '/shares',
    json: { folderId: folder.id, email: 'friend@example.com', permission: 'VIEW' },
    expect: 201,
  });
  const { url } = await demo.call<{ url: string }>({
    title: 'A link for everybody, good for one download',
    as: 'ada',
    method: 'POST',
    path: '/shares/links',
    json: { folderId: folder.id, maxDownloads: 1 },
    expect: 201,
  });
  const path = `${url}/content?path=sea.txt`;
  const downloaded = await demo.download({ title: 'Somebody downloads by it', as: 'nobody', path });
  if (!downloaded.equals(content)) throw new Error('the download is not what was uploaded');
  await demo.download({ title: 'A second time there is nothing', as: 'nobody', path, expect: 404 });
  await demo.call({ title: 'Ada deletes the file', as: 'ada', method: 'DELETE', path: `/files/${file.id}` });
  await demo.call({
    title: '... and takes it back out of the trash',
    as: 'ada',
    method: 'POST',
    path: `/storage/trash/${file.id}/restore`,
    json: {},
  });
  await demo.call({ title: 'Her folder is as it was', as: 'ada', path: `/drive/${folder.id}` });
}

function assertStatus({ expect = 200 }: Step, { status }: Response): void {
  if (status !== expect) throw new Error(`the answer was ${status}, not ${expect}`);
}

const demo = new Demo(await mkdtemp(join(tmpdir(), 'pockity-demo-')));
// Whatever ends this process, the service is told to stop.
process.once('exit', () => demo.abandon());
process.stdout.once('error', () => process.exit(1));
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true;
    console.log('\nStopping ...');
    demo.close().finally(() => process.exit(130));
  });
}
try {
  console.log(
    `${paint('bold', 'Pockity, from an empty folder to stored files')}\n\nStarting a service on ${demo.directory} ...`,
  );
  await demo.start();
  console.log(
    `It listens on ${demo.origin}; its database, objects, mail and secrets lie in that folder.\nAnswers are shortened.`,
  );
  await walk(demo);
  console.log(`\n${paint('green', 'All steps went well.')} Stopping the service and removing its folder ...`);
} catch (error) {
  if (!interrupted) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`\n${paint('red', `Failed at step ${demo.current}`)}: ${reason}`);
    console.error(`\nThe service's last lines:\n${demo.logTail()}`);
    process.exitCode = 1;
  }
} finally {
  if (!interrupted) await demo.close();
}
