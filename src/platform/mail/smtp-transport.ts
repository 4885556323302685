import { createTransport } from 'nodemailer';
import { compose } from './compose.ts';
import type { MailMessage, MailTransport } from './mail-transport.ts';

export interface SmtpTransportOptions {
  readonly from: string;
  /** `smtp://` (STARTTLS where offered) or `smtps://`; may hold user and password. */
  readonly url: string;
  readonly user: string | undefined;
  readonly pass: string | undefined;
}

/** A server that does not answer in these times counts as dead; the job then tries again later. */
const TIMEOUTS = { dnsTimeout: 5_000, connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000 };

/**
 * A mail that could not be sent, by nodemailer's code and the server's reply code. Without the server's words and the
 * cause, which name the recipient: this goes into the log and the job's row.
 */
class MailRefusedError extends Error {
  override readonly name = 'MailRefusedError';
  readonly code: string;

  constructor(cause: unknown) {
    const { code = 'UNKNOWN', command, responseCode } = (cause ?? {}) as Partial<Record<string, string | number>>;
    super(`the mail server did not take the mail (${[code, command, responseCode].filter(Boolean).join(', ')})`);
    this.code = String(responseCode ?? code);
  }
}

/** Real mail by SMTP; the server's refusals and failures are thrown. */
export class SmtpTransport implements MailTransport {
  readonly #from: string;
  readonly #transporter: ReturnType<typeof createTransport>;

  constructor(options: SmtpTransportOptions) {
    this.#from = options.from;
    const auth = options.user === undefined ? {} : { auth: { user: options.user, pass: options.pass ?? '' } };
    this.#transporter = createTransport({ url: options.url, ...auth, ...TIMEOUTS });
  }

  async send(message: MailMessage): Promise<void> {
    await this.#transporter.sendMail(compose(this.#from, message)).catch((error: unknown) => {
      throw new MailRefusedError(error);
    });
  }

  async close(): Promise<void> {
    this.#transporter.close();
  }
}
