import type { MailMessage } from './mail-transport.ts';

/** Control characters: nothing that could end a header line. */
const CONTROL = /\p{Cc}/u;

/**
 * A message as nodemailer takes it. The recipient is given as a ready address, not as a list to be parsed, and no
 * control character gets into a header; both parts are quoted-printable, so that lines of plain ASCII stay readable.
 */
export function compose(from: string, message: MailMessage) {
  if (CONTROL.test(message.to) || CONTROL.test(message.subject))
    throw new Error('a mail header holds a control character');
  return {
    from,
    to: { name: '', address: message.to },
    subject: message.subject,
    text: message.text,
    html: message.html,
    date: message.date,
    messageId: `<${message.id}@${domainOf(from)}>`,
    textEncoding: 'quoted-printable' as const,
    // Templates name no files or URLs to be fetched; nothing in a message may make the server read one.
    disableFileAccess: true,
    disableUrlAccess: true,
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}
