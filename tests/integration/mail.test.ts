import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/env.ts';
import { newId } from '../../src/platform/crypto/random.ts';
import { createMailTransport } from '../../src/platform/mail/create-mail-transport.ts';
import type { MailMessage, MailTransport } from '../../src/platform/mail/mail-transport.ts';
import { MovableClock, startAccounts } from '../support/accounts.ts';
import { MailBox } from '../support/mail-box.ts';
import { listenSmtp, type SmtpServer, startMailing } from '../support/mailing.ts';

async function startSmtpServer(options: SMTPServerOptions = {}): Promise<SmtpServer> {
  const server = await listenSmtp(options);
  onTestFinished(() => server.close());
  return server;
}

function transportFor(environment: Record<string, string>): MailTransport {
  const transport = createMailTransport(loadConfig({ NODE_ENV: 'test', ...environment }).mail);
  onTestFinished(() => transport.close());
  return transport;
}

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pockity-test-mail-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

function message(fields: Partial<MailMessage> = {}): MailMessage {
  return {
    id: newId(),
    to: 'ada@example.com',
    subject: 'A subject',
    text: 'Some text\n\nYour code: 048213\n\nGrüße\n',
    html: '<p>Some <b>HTML</b></p>',
    date: new Date(),
    ...fields,
  };
}

describe('mail by SMTP', () => {
  it('reaches a server whole: envelope, headers, text and HTML', async () => {
    const server = await startSmtpServer();
    const transport = transportFor({ SMTP_URL: server.url, MAIL_FROM: 'Pockity <noreply@example.org>' });
    const sent = message({ subject: 'Größe: “5 GB”' });
    await transport.send(sent);
    const [arrived] = server.received;
    expect(arrived).toMatchObject({ from: 'noreply@example.org', to: ['ada@example.com'] });
    expect(arrived?.mail).toMatchObject({ to: sent.to, subject: sent.subject, text: sent.text.trimEnd() });
    expect(arrived?.mail.html).toContain(sent.html);
    expect(arrived?.mail.email.messageId).toBe(`<${sent.id}@example.org>`);
    expect(arrived?.mail.email.from).toMatchObject({ name: 'Pockity', address: 'noreply@example.org' });
  });

  it('logs in with EMAIL_USER and EMAIL_PASS', async () => {
    const server = await startSmtpServer({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, callback) =>
        username === 'mailer' && password === 'pass:word'
          ? callback(null, { user: username })
          : callback(new Error('who are you')),
    });
    const access = { SMTP_URL: server.url, EMAIL_USER: 'mailer', EMAIL_PASS: 'pass:word' };
    await transportFor(access).send(message());
    expect(server.received).toHaveLength(1);
    await expect(transportFor({ ...access, EMAIL_PASS: 'wrong' }).send(message())).rejects.toThrow(
      /did not take the mail \(EAUTH, .*535\)/,
    );
  });

  it('goes to one recipient, whatever the address holds', async () => {
    const server = await startSmtpServer();
    const transport = transportFor({ SMTP_URL: server.url });
    await expect(transport.send(message({ to: 'a@example.com\r\nBcc: b@example.com' }))).rejects.toThrow();
    await expect(transport.send(message({ subject: 'Hello\r\nBcc: b@example.com' }))).rejects.toThrow();
    await transport.send(message({ to: 'a@example.com,b@example.com' })).catch(() => undefined);
    expect(server.received.every(({ to }) => to.length === 1)).toBe(true);
  });

  it('fails where the server refuses or is not there', async () => {
    const server = await startSmtpServer({
      onRcptTo: ({ address }, _session, callback) => callback(new Error(`no such box: ${address}`)),
    });
    // Not in the server's words, which name the recipient: this goes into the log and the job's row.
    const refusal: unknown = await transportFor({ SMTP_URL: server.url })
      .send(message({ to: 'secret@example.com' }))
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: '550', message: expect.stringMatching(/EENVELOPE, RCPT TO, 550/) });
    expect(inspect(refusal, { depth: 9, showHidden: true })).not.toContain('secret@');
    await expect(transportFor({ SMTP_URL: 'smtp://127.0.0.1:1' }).send(message())).rejects.toThrow(
      /ESOCKET|ECONNREFUSED|ECONNECTION/,
    );
  });
});

describe('mail into the outbox', () => {
  it('is a whole file for its owner only, in which grep finds a code', async () => {
    const data = await temporaryDirectory();
    const outbox = join(data, 'outbox');
    const transport = transportFor({ DATA_DIR: data });
    const sent = message({ date: new Date('2026-11-21T09:00:00.123Z') });
    await transport.send(sent);
    await transport.send(sent);
    expect(await readdir(outbox)).toEqual([`20261121T090000123Z-${sent.id}.eml`]);
    const file = join(outbox, `20261121T090000123Z-${sent.id}.eml`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(outbox)).mode & 0o777).toBe(0o700);
    const found = execFileSync('sh', ['-c', `cat ${outbox}/*.eml | grep -oE '[0-9]{6}$'`], { encoding: 'utf8' });
    expect(found).toBe('048213\n');
    expect(await new MailBox(data).all('ada@example.com')).toEqual([
      expect.objectContaining({ subject: sent.subject, text: sent.text.trimEnd() }),
    ]);
  });
});

describe('the service', () => {
  it('writes codes that a shell finds in the outbox, and only sealed into the queue', async () => {
    const site = await startAccounts();
    onTestFinished(() => site.stop());
    const { accounts } = site;
    const me = await accounts.register();
    const code = await accounts.mailBox.code(me.email);
    const found = execFileSync('sh', ['-c', `cat ${accounts.dataDirectory}/outbox/*.eml | grep -oE '[0-9]{6}$'`], {
      encoding: 'utf8',
    });
    expect(found).toBe(`${code}\n`);
    const [job] = await accounts.database.query<{ data: string }>(
      { name: 'test_mail_job', text: "SELECT data::text FROM pgboss.job WHERE name = 'mail.send'" },
      [],
    );
    expect(job?.data).toContain('sealed');
    expect(job?.data).not.toContain(code);
    expect(job?.data).not.toContain(me.email);
  });
});

describe('the mail job', () => {
  const running: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of running.splice(0).reverse()) await stop();
  });

  async function start(transport: MailTransport) {
    const clock = new MovableClock();
    const mailing = await startMailing(transport, clock);
    running.push(mailing.stop);
    return { ...mailing, clock };
  }

  it('is tried again until the server is back, and delays nobody', async () => {
    let broken = true;
    const server = await startSmtpServer({
      onMailFrom: (_address, _session, callback) => (broken ? callback(new Error('4.3.0 later')) : callback()),
    });
    const failed = Promise.withResolvers<void>();
    const real = transportFor({ SMTP_URL: server.url });
    const { uow, mail } = await start({
      send: (sent) =>
        real.send(sent).catch((error: unknown) => {
          failed.resolve();
          throw error;
        }),
      close: () => real.close(),
    });
    await uow.run((tx) =>
      mail.sendRejected(tx, 'ada@example.com', {
        requestType: 'CREATE',
        keyName: 'k',
        storageGB: 1,
        objects: 1,
        comment: null,
      }),
    );
    await failed.promise;
    expect(server.received).toEqual([]);
    broken = false;
    await expect.poll(() => server.received.length, { timeout: 25_000 }).toBe(1);
  }, 40_000);

  it('lets a code go that has expired on the way', async () => {
    const sent: MailMessage[] = [];
    const { uow, mail, clock } = await start({ send: async (one) => void sent.push(one), close: async () => {} });
    const expired = new Date(clock.now().getTime() - 1);
    await uow.run(async (tx) => {
      await mail.sendOtp(tx, 'late@example.com', { code: '111111', expiresAt: expired });
      await mail.sendOtp(tx, 'ada@example.com', { code: '222222', expiresAt: new Date(Date.now() + 600_000) });
    });
    await expect.poll(() => sent.map(({ to }) => to)).toEqual(['ada@example.com']);
    expect(sent[0]?.text).toContain('valid for 10 minutes');
  });

  it('goes to each admin by itself, and cannot be made to carry HTML or another header', async () => {
    const sent: MailMessage[] = [];
    const { uow, mail } = await start({ send: async (one) => void sent.push(one), close: async () => {} });
    await uow.run((tx) =>
      mail.sendNewRequest(tx, ['one@example.com', 'two@example.com'], {
        requestId: newId(),
        requester: 'Ada "<script>" & Co',
        requestType: 'CREATE',
        keyName: 'a\u2028Bcc: x@example.com <img src=x>',
        storageGB: 0.5,
        objects: 10_000,
        permissions: ['read', 'list'],
        expiresAt: null,
        reason: '<a href="https://evil.example">click</a>',
      }),
    );
    await expect.poll(() => sent.map(({ to }) => to).toSorted()).toEqual(['one@example.com', 'two@example.com']);
    for (const { subject, html, text } of sent) {
      expect(text).toContain('Permissions: read, list\nExpires: never');
      expect(subject).toBe('New API key request: a Bcc: x@example.com <img src=x>');
      expect(html).not.toMatch(/<(script|img|a)\b/);
      expect(html).toContain('Ada &quot;&lt;script&gt;&quot; &amp; Co');
      expect(text).toContain('PATCH https://p.example/api/apiKeys/request/admin/review/');
    }
  });
});
