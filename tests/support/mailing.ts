import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { MailDeliveryService, MailService, mailSendJob, registerMailJobs } from '../../src/features/mail/index.ts';
import type { Clock } from '../../src/platform/clock/clock.ts';
import { Sealer } from '../../src/platform/crypto/seal.ts';
import { Database } from '../../src/platform/db/database.ts';
import { UnitOfWork } from '../../src/platform/db/unit-of-work.ts';
import { silentLogger } from '../../src/platform/logging/logger.ts';
import type { MailTransport } from '../../src/platform/mail/mail-transport.ts';
import { PgBossQueue } from '../../src/platform/queue/pg-boss-queue.ts';
import { type ReceivedMail, readMail } from './mail-box.ts';
import { createTestDatabase } from './postgres.ts';

/** A real SMTP server, and what it took in. */
export interface SmtpServer {
  readonly url: string;
  readonly received: { readonly from: string; readonly to: readonly string[]; readonly mail: ReceivedMail }[];
  close(): Promise<void>;
}

/** Listens on a free port of the loopback. */
export async function listenSmtp(options: SMTPServerOptions = {}): Promise<SmtpServer> {
  const received: SmtpServer['received'] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onData(stream, session, callback) {
      buffer(stream)
        .then(async (bytes) => {
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom ? mailFrom.address : '';
          received.push({ from, to: rcptTo.map(({ address }) => address), mail: await readMail(bytes) });
          callback();
        })
        .catch(callback);
    },
    ...options,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    received,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** Mails on their way through a queue of their own to this transport. */
export async function startMailing(transport: MailTransport, clock: Clock) {
  const database = await createTestDatabase();
  const log = silentLogger();
  const db = new Database({ url: database.url, maxConnections: 3, log });
  const sealer = new Sealer(Buffer.alloc(32, 1));
  const queue = new PgBossQueue({
    url: database.url,
    jobs: [{ ...mailSendJob, retryDelaySeconds: 2 }],
    log,
    pollSeconds: 2,
  });
  registerMailJobs(queue, new MailDeliveryService({ transport, sealer, clock, log }));
  await queue.start({ workers: true, supervise: false });
  return {
    uow: new UnitOfWork(db),
    mail: new MailService({ queue, sealer, clock, publicUrl: 'https://p.example' }),
    stop: async () => {
      await queue.stop({ timeoutMs: 1000 });
      await db.close();
      await database.drop();
    },
  };
}
