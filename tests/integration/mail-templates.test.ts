import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/env.ts';
import type { MailService } from '../../src/features/mail/index.ts';
import type { Tx } from '../../src/platform/db/unit-of-work.ts';
import { createMailTransport } from '../../src/platform/mail/create-mail-transport.ts';
import { listenSmtp, type SmtpServer, startMailing } from '../support/mailing.ts';

describe('each mail about an account or a key', () => {
  const HOSTILE = 'a\r\nBcc: x@example.com <img src=x onerror=alert(1)> "&amp;" \u2028\u0085end';
  const at = new Date('2026-11-21T09:00:00Z');
  const grant = { keyName: HOSTILE, storageGB: 2.5, objects: 12_345 };
  const amount = ['2.5 GB', '12,345'];
  const clock = { now: () => at };

  interface Case {
    readonly name: string;
    readonly send: (mail: MailService, tx: Tx, to: string) => Promise<void>;
    readonly subject: RegExp;
    /** What its reader has to learn from either part. */
    readonly facts: readonly string[];
    readonly lacks?: RegExp;
  }
  const cases: Case[] = [
    {
      name: 'password reset',
      send: (mail, tx, to) =>
        mail.sendPasswordReset(tx, to, { code: '048213', expiresAt: new Date(at.getTime() + 600_000) }),
      subject: /^Your Pockity password reset code$/,
      facts: ['048213', 'valid for 10 minutes', 'somebody asked for a new password'],
    },
    {
      name: 'password changed',
      send: (mail, tx, to) => mail.sendPasswordChanged(tx, to, HOSTILE),
      subject: /^Your Pockity password was changed$/,
      facts: [at.toUTCString(), HOSTILE, 'forgot password'],
    },
    {
      name: 'password changed from nowhere',
      send: (mail, tx, to) => mail.sendPasswordChanged(tx, to, null),
      subject: /^Your Pockity password was changed$/,
      facts: ['an unknown address'],
      lacks: /null/,
    },
    {
      name: 'e-mail changed',
      send: (mail, tx, to) => mail.sendEmailChanged(tx, to, { newEmail: HOSTILE, ip: '203.0.113.7' }),
      subject: /^The e-mail address of your Pockity account was changed$/,
      facts: [HOSTILE, '203.0.113.7', at.toUTCString(), 'tell an admin'],
    },
    {
      name: 'key revoked by its owner',
      send: (mail, tx, to) => mail.sendKeyRevoked(tx, to, { keyName: HOSTILE, accessKeyId: 'AKIA1', byAdmin: false }),
      subject: /^Your API key is revoked: a Bcc: x@/,
      facts: [HOSTILE, 'AKIA1', 'from your account', 'change your password'],
    },
    {
      name: 'key revoked by an admin',
      send: (mail, tx, to) => mail.sendKeyRevoked(tx, to, { keyName: HOSTILE, accessKeyId: 'AKIA1', byAdmin: true }),
      subject: /^Your API key is revoked: a Bcc: x@/,
      facts: [HOSTILE, 'AKIA1', 'An admin has revoked'],
      lacks: /change your password/,
    },
    {
      name: 'account deletion',
      send: (mail, tx, to) => mail.sendAccountDeletion(tx, to, { dueAt: at, byAdmin: false }),
      subject: /^Your Pockity account will be deleted$/,
      facts: [at.toUTCString(), 'log in before that', 'POST https://p.example/api/users/account/restore'],
    },
    {
      name: 'account deletion by an admin',
      send: (mail, tx, to) => mail.sendAccountDeletion(tx, to, { dueAt: at, byAdmin: true }),
      subject: /^Your Pockity account will be deleted$/,
      facts: [at.toUTCString(), 'Only an admin can undo it'],
      lacks: /account\/restore/,
    },
    {
      name: 'upgrade request',
      send: (mail, tx, to) =>
        mail.sendNewRequest(tx, [to], {
          ...grant,
          requestType: 'UPGRADE',
          requestId: 'r-1',
          requester: HOSTILE,
          permissions: ['read'],
          expiresAt: at,
          reason: `because ${HOSTILE}`,
        }),
      subject: /^API key upgrade request: a Bcc: x@/,
      facts: [...amount, HOSTILE, `because ${HOSTILE}`, 'PATCH https://p.example/api/apiKeys/request/admin/review/r-1'],
    },
    {
      name: 'upgrade approved',
      send: (mail, tx, to) =>
        mail.sendApproved(tx, to, {
          ...grant,
          requestType: 'UPGRADE',
          apiKeyId: 'k-1',
          permissions: ['read', 'write'],
          expiresAt: at,
          accessKeyId: 'AKIA1',
          comment: `well ${HOSTILE}`,
        }),
      subject: /^Your API key upgrade is approved: a Bcc: x@/,
      facts: [
        ...amount,
        HOSTILE,
        'AKIA1',
        'read, write',
        at.toUTCString(),
        `well ${HOSTILE}`,
        'the secret stays as it is',
      ],
      lacks: /claim/i,
    },
    {
      name: 'upgrade rejected',
      send: (mail, tx, to) => mail.sendRejected(tx, to, { ...grant, requestType: 'UPGRADE', comment: `no ${HOSTILE}` }),
      subject: /^Your API key upgrade was rejected: a Bcc: x@/,
      facts: [...amount, HOSTILE, `no ${HOSTILE}`, 'ask again'],
    },
  ];

  let server: SmtpServer;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    server = await listenSmtp();
    const transport = createMailTransport(loadConfig({ NODE_ENV: 'test', SMTP_URL: server.url }).mail);
    const running = await startMailing(transport, clock);
    stop = async () => {
      await running.stop();
      await transport.close();
      await server.close();
    };
    await running.uow.run(async (tx) => {
      for (const [i, { send }] of cases.entries()) await send(running.mail, tx, `case${i}@example.com`);
    });
    await vi.waitFor(() => expect(server.received).toHaveLength(cases.length), { timeout: 15_000 });
  }, 30_000);
  afterAll(() => stop());

  it.each(cases.map((one, i) => [one.name, i, one] as const))(
    '%s: says the same in text and HTML, and carries nothing else',
    (_name, i, { subject, facts, lacks }) => {
      const [arrived, ...more] = server.received.filter(({ to }) => to.includes(`case${i}@example.com`));
      if (!arrived) throw new Error('the mail did not come');
      const { to, mail } = arrived;
      expect(more).toEqual([]);
      expect(to).toHaveLength(1);
      expect(mail.email.headers.filter(({ key }) => key === 'bcc' || key === 'cc')).toEqual([]);
      expect(mail.subject).toMatch(subject);
      expect(mail.subject).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      expect(mail.html).not.toMatch(/<(img|script|a|link|iframe)\b/);
      for (const part of [mail.text, visibleText(mail.html)]) {
        for (const fact of facts) expect(oneLine(part)).toContain(oneLine(fact));
        if (lacks) expect(part).not.toMatch(lacks);
      }
    },
  );
});

/** What a reader of the HTML sees. */
function visibleText(html: string): string {
  const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' };
  return html.replaceAll(/<[^>]*>/g, ' ').replaceAll(/&(lt|gt|quot|#39|amp);/g, (_all, name) => entities[name] ?? '');
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s\u0085]+/g, ' ');
}
