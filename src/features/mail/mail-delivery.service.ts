import type { Clock } from '../../platform/clock/clock.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { MailTransport } from '../../platform/mail/mail-transport.ts';
import { openLetter, type SealedMail } from './sealed-mail.ts';

export interface MailDeliveryDependencies {
  readonly transport: MailTransport;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Takes mails out of the queue and hands them to the transport. */
export class MailDeliveryService {
  readonly #deps: MailDeliveryDependencies;

  constructor(deps: MailDeliveryDependencies) {
    this.#deps = deps;
  }

  /** Throws what the transport throws: then it is tried again. A mail that has lost its use is let go. */
  async deliver(mail: SealedMail, jobId: string): Promise<void> {
    const { transport, sealer, clock, log } = this.#deps;
    const { to, subject, text, html, writtenAt, usefulUntil } = openLetter(sealer, mail);
    if (usefulUntil !== null && new Date(usefulUntil) <= clock.now()) {
      log.warn({ jobId, writtenAt }, 'a mail was not sent in time and is let go');
      return;
    }
    await transport.send({ id: jobId, to, subject, text, html, date: new Date(writtenAt) });
    log.debug({ jobId }, 'mail sent');
  }
}
