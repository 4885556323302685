import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import PostalMime, { type Email } from 'postal-mime';

/** A mail as its reader sees it. */
export interface ReceivedMail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly email: Email;
}

/** Takes a message apart. */
export async function readMail(source: string | Uint8Array): Promise<ReceivedMail> {
  const email = await PostalMime.parse(source);
  return {
    to: (email.to ?? []).map(({ address }) => address).join(', '),
    subject: email.subject ?? '',
    text: (email.text ?? '').trimEnd(),
    html: email.html ?? '',
    email,
  };
}

/** The outbox of a service without a mail server. */
export class MailBox {
  readonly #directory: string;

  constructor(dataDirectory: string) {
    this.#directory = join(dataDirectory, 'outbox');
  }

  /** All mails to this address, oldest first. */
  async all(to: string): Promise<ReceivedMail[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const files = names.filter((name) => name.endsWith('.eml')).toSorted();
    const mails = await Promise.all(files.map(async (name) => readMail(await readFile(join(this.#directory, name)))));
    return mails.filter((mail) => mail.to === to);
  }

  /** Waits for the latest of at least `count` mails to this address whose text holds `part`. */
  async latest(to: string, { count = 1, part = '' } = {}): Promise<ReceivedMail> {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const mails = (await this.all(to)).filter(({ text }) => text.includes(part));
      const last = mails.at(-1);
      if (last && mails.length >= count) return last;
      if (Date.now() > deadline) throw new Error(`${mails.length} of ${count} mails with "${part}" came to ${to}`);
      await delay(20);
    }
  }

  /** The code of the latest of at least `count` mails with a code to this address. */
  async code(to: string, count = 1): Promise<string> {
    const { text } = await this.latest(to, { count, part: 'Your code: ' });
    const code = /^Your code: (\d{6})$/m.exec(text)?.[1];
    if (code === undefined) throw new Error('the mail holds no code');
    return code;
  }
}
