import type { MailConfig } from '../../config/env.ts';
import type { MailTransport } from './mail-transport.ts';
import { OutboxTransport } from './outbox-transport.ts';
import { SmtpTransport } from './smtp-transport.ts';

/** The transport that the configuration asks for. */
export function createMailTransport(config: MailConfig): MailTransport {
  return config.kind === 'smtp' ? new SmtpTransport(config) : new OutboxTransport(config);
}
