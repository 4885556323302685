import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { compose } from './compose.ts';
import type { MailMessage, MailTransport } from './mail-transport.ts';

export interface OutboxTransportOptions {
  readonly from: string;
  /** Made when it is missing, for its owner only. */
  readonly directory: string;
}

/**
 * Mail as files, for a machine without a mail server: `<directory>/<date>-<id>.eml`, in the order in which they were
 * written, with LF line ends and readable text, so that `grep` finds a code. A message sent twice is one file.
 */
export class OutboxTransport implements MailTransport {
  readonly #options: OutboxTransportOptions;
  readonly #composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });

  constructor(options: OutboxTransportOptions) {
    this.#options = options;
  }

  async send(message: MailMessage): Promise<void> {
    const { directory, from } = this.#options;
    const { message: bytes } = await this.#composer.sendMail(compose(from, message));
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const name = `${message.date.toISOString().replaceAll(/[-:.]/g, '')}-${message.id}.eml`;
    const draft = join(directory, `.${name}.${process.pid}`);
    try {
      const file = await open(draft, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, join(directory, name));
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async close(): Promise<void> {}
}
