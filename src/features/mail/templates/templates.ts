import { html } from './html.ts';
import { factLines, facts, layout, type MailContent, paragraph } from './layout.ts';

const SUBJECT_LENGTH = 120;

/** What was asked for, in the words of a mail. */
export interface RequestFacts {
  readonly keyName: string;
  readonly storageGB: number;
  readonly objects: number;
}

/** The code that proves an address; the text part holds it at the end of a line of its own. */
export function otpMail(input: { readonly code: string; readonly validMinutes: number }): MailContent {
  const { code, validMinutes } = input;
  return layout({
    subject: 'Your Pockity verification code',
    title: 'Verify your e-mail address',
    text: [`Your code: ${code}`, '', `It is valid for ${validMinutes} minutes. Nobody at Pockity will ask you for it.`],
    body: html`${paragraph('Enter this code to verify your e-mail address:')}
<p style="margin:0 0 16px;font-size:32px;font-weight:700;letter-spacing:6px;font-family:ui-monospace,monospace"><span>${code}</span></p>
${paragraph(`It is valid for ${validMinutes} minutes. Nobody at Pockity will ask you for it.`)}`,
    reason: 'You get this because somebody registered with this address. If that was not you, ignore it.',
  });
}

/** To admins: somebody asks for a key. */
export function newRequestMail(
  input: RequestFacts & {
    readonly requestId: string;
    readonly requester: string;
    readonly reason: string;
    readonly reviewUrl: string;
  },
): MailContent {
  const rows = [
    ['From', input.requester],
    ['Key', input.keyName],
    ['Storage', `${input.storageGB} GB`],
    ['Objects', input.objects.toLocaleString('en-US')],
    ['Reason', input.reason],
    ['Request', input.requestId],
  ] as const;
  return layout({
    subject: subject(`New API key request: ${input.keyName}`),
    title: 'A new API key request waits for review',
    text: [...factLines(rows), '', 'Approve or reject it:', `PATCH ${input.reviewUrl}`],
    body: html`${facts(rows)}${paragraph('Approve or reject it:')}${paragraph(html`<code>PATCH ${input.reviewUrl}</code>`)}`,
    reason: 'You get this because you are an admin of this Pockity.',
  });
}

/** To the requester: the key exists, and its secret waits to be claimed. */
export function approvedMail(
  input: RequestFacts & { readonly accessKeyId: string; readonly comment: string | null; readonly claimUrl: string },
): MailContent {
  const rows: (readonly [string, string])[] = [
    ['Key', input.keyName],
    ['Access key id', input.accessKeyId],
    ['Storage', `${input.storageGB} GB`],
    ['Objects', input.objects.toLocaleString('en-US')],
  ];
  if (input.comment !== null) rows.push(['Comment', input.comment]);
  const claim = 'Claim the secret key. It is shown once and to nobody but you:';
  return layout({
    subject: subject(`Your API key is approved: ${input.keyName}`),
    title: 'Your API key is approved',
    text: [...factLines(rows), '', claim, `POST ${input.claimUrl}`],
    body: html`${facts(rows)}${paragraph(claim)}${paragraph(html`<code>POST ${input.claimUrl}</code>`)}`,
    reason: 'You get this because you asked for an API key.',
  });
}

/** To the requester: no, and why. */
export function rejectedMail(input: RequestFacts & { readonly comment: string | null }): MailContent {
  const rows: (readonly [string, string])[] = [
    ['Key', input.keyName],
    ['Storage', `${input.storageGB} GB`],
    ['Objects', input.objects.toLocaleString('en-US')],
  ];
  if (input.comment !== null) rows.push(['Comment', input.comment]);
  const next = 'You may ask again with other numbers or another reason.';
  return layout({
    subject: subject(`Your API key request was rejected: ${input.keyName}`),
    title: 'Your API key request was rejected',
    text: [...factLines(rows), '', next],
    body: html`${facts(rows)}${paragraph(next)}`,
    reason: 'You get this because you asked for an API key.',
  });
}

/** One line, and not endless. */
function subject(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  return line.length > SUBJECT_LENGTH ? `${[...line].slice(0, SUBJECT_LENGTH - 1).join('')}…` : line;
}
