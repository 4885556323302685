/** One mail to one person, ready to go. */
export interface MailMessage {
  /** The same at every try, so that a repeated one can be recognised: it is in the Message-ID. */
  readonly id: string;
  /** A bare address. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** When it was written, not when it goes out. */
  readonly date: Date;
}

/** Hands mail on; throws when it could not, and then it may be tried again. */
export interface MailTransport {
  send(message: MailMessage): Promise<void>;
  close(): Promise<void>;
}
