import { html } from '../../../platform/html/html.ts';
import { factLines, facts, layout, type MailContent, paragraph } from './layout.ts';

const SUBJECT_LENGTH = 120;

/** What was asked for, in the words of a mail. */
export interface RequestFacts {
  /** A key, or more room in one. */
  readonly requestType: 'CREATE' | 'UPGRADE';
  readonly keyName: string;
  readonly storageGB: number;
  readonly objects: number;
}

/** To admins: somebody asks for a key. */
export function newRequestMail(
  input: RequestFacts & {
    readonly requestId: string;
    readonly requester: string;
    readonly reason: string;
    /** Of a new key. */
    readonly permissions: readonly string[];
    readonly expiresAt: Date | null;
    readonly reviewUrl: string;
  },
): MailContent {
  const upgrade = input.requestType === 'UPGRADE';
  const rows = [
    ['From', input.requester],
    ['Key', input.keyName],
    ['Storage', `${input.storageGB} GB`],
    ['Objects', input.objects.toLocaleString('en-US')],
    ...(upgrade ? [] : keyRows(input)),
    ['Reason', input.reason],
    ['Request', input.requestId],
  ] as const;
  return layout({
    subject: subject(`${upgrade ? 'API key upgrade request' : 'New API key request'}: ${input.keyName}`),
    title: upgrade ? 'A request for more room waits for review' : 'A new API key request waits for review',
    text: [...factLines(rows), '', 'Approve or reject it:', `PATCH ${input.reviewUrl}`],
    body: html`${facts(rows)}${paragraph('Approve or reject it:')}${paragraph(html`<code>PATCH ${input.reviewUrl}</code>`)}`,
    reason: 'You get this because you are an admin of this Pockity.',
  });
}

/** To the requester: the key exists and its secret waits to be claimed, or its room has grown. */
export function approvedMail(
  input: RequestFacts & {
    readonly accessKeyId: string;
    readonly permissions: readonly string[];
    readonly expiresAt: Date | null;
    readonly comment: string | null;
    readonly claimUrl: string;
  },
): MailContent {
  const rows: (readonly [string, string])[] = [
    ['Key', input.keyName],
    ['Access key id', input.accessKeyId],
    ['Storage', `${input.storageGB} GB`],
    ['Objects', input.objects.toLocaleString('en-US')],
    ...keyRows(input),
  ];
  if (input.comment !== null) rows.push(['Comment', input.comment]);
  if (input.requestType === 'UPGRADE') {
    const done = 'The new limits hold from now on; the secret stays as it is.';
    return layout({
      subject: subject(`Your API key upgrade is approved: ${input.keyName}`),
      title: 'Your API key has more room',
      text: [...factLines(rows), '', done],
      body: html`${facts(rows)}${paragraph(done)}`,
      reason: 'You get this because you asked for more room in an API key.',
    });
  }
  const claim = 'Claim the secret key. It is shown once and to nobody but you:';
  return layout({
    subject: subject(`Your API key is approved: ${input.keyName}`),
    title: 'Your API key is approved',
    text: [...factLines(rows), '', claim, `POST ${input.claimUrl}`],
    body: html`${facts(rows)}${paragraph(claim)}${paragraph(html`<code>POST ${input.claimUrl}</code>`)}`,
    reason: 'You get this because you asked for an API key.',
  });
}

/** To the owner: the key lets nobody in any more. */
export function keyRevokedMail(input: {
  readonly keyName: string;
  readonly accessKeyId: string;
  readonly byAdmin: boolean;
}): MailContent {
  const rows = [
    ['Key', input.keyName],
    ['Access key id', input.accessKeyId],
  ] as const;
  const what = input.byAdmin ? 'An admin has revoked this key.' : 'This key was revoked from your account.';
  const next = input.byAdmin
    ? 'Its next request fails; its files stay.'
    : 'Its next request fails; its files stay. If it was not you, change your password at once.';
  return layout({
    subject: subject(`Your API key is revoked: ${input.keyName}`),
    title: 'Your API key is revoked',
    text: [...factLines(rows), '', what, next],
    body: html`${facts(rows)}${paragraph(what)}${paragraph(next)}`,
    reason: 'You get this because the key is yours.',
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
  const what = input.requestType === 'UPGRADE' ? 'upgrade' : 'request';
  const next = 'You may ask again with other numbers or another reason.';
  return layout({
    subject: subject(`Your API key ${what} was rejected: ${input.keyName}`),
    title: `Your API key ${what} was rejected`,
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

/** What a key may, and until when. */
function keyRows(key: { readonly permissions: readonly string[]; readonly expiresAt: Date | null }) {
  return [
    ['Permissions', key.permissions.join(', ')],
    ['Expires', key.expiresAt?.toUTCString() ?? 'never'],
  ] as const;
}
