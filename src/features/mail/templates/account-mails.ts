import { type Html, html } from '../../../platform/html/html.ts';
import { factLines, facts, layout, type MailContent, paragraph } from './layout.ts';

interface CodeInput {
  readonly code: string;
  readonly validMinutes: number;
}

/** The code that proves an address; the text part holds it at the end of a line of its own. */
export function otpMail(input: CodeInput): MailContent {
  const { lines, body } = codeParts(input, 'Enter this code to verify your e-mail address:');
  return layout({
    subject: 'Your Pockity verification code',
    title: 'Verify your e-mail address',
    text: lines,
    body,
    reason: 'You get this because somebody gave this address as theirs. If that was not you, ignore it.',
  });
}

/** The code that sets a new password. */
export function passwordResetMail(input: CodeInput): MailContent {
  const { lines, body } = codeParts(input, 'Enter this code with your new password:');
  return layout({
    subject: 'Your Pockity password reset code',
    title: 'Set a new password',
    text: lines,
    body,
    reason:
      'You get this because somebody asked for a new password for this address. If that was not you, ignore it: nothing has changed.',
  });
}

/** After the fact, so that a thief cannot do it quietly. */
export function passwordChangedMail(input: { readonly at: Date; readonly ip: string | null }): MailContent {
  const rows = [
    ['When', input.at.toUTCString()],
    ['From', input.ip ?? 'an unknown address'],
  ] as const;
  const next = 'If it was not you, set a new password by "forgot password" at once.';
  return layout({
    subject: 'Your Pockity password was changed',
    title: 'Your password was changed',
    text: [...factLines(rows), '', next],
    body: html`${facts(rows)}${paragraph(next)}`,
    reason: 'You get this because the account is yours.',
  });
}

/** To the address that the account had until now. */
export function emailChangedMail(input: {
  readonly newEmail: string;
  readonly at: Date;
  readonly ip: string | null;
}): MailContent {
  const rows = [
    ['New address', input.newEmail],
    ['When', input.at.toUTCString()],
    ['From', input.ip ?? 'an unknown address'],
  ] as const;
  const next = 'If it was not you, tell an admin of this Pockity at once: mail for the account no longer comes here.';
  return layout({
    subject: 'The e-mail address of your Pockity account was changed',
    title: 'Your account has a new e-mail address',
    text: [...factLines(rows), '', next],
    body: html`${facts(rows)}${paragraph(next)}`,
    reason: 'You get this because the account had this address until now.',
  });
}

/** The account will end, and how to keep it. */
export function accountDeletionMail(input: {
  readonly dueAt: Date;
  readonly byAdmin: boolean;
  readonly restoreUrl: string;
}): MailContent {
  const when = `The account, its API keys and all its files will be erased after ${input.dueAt.toUTCString()}.`;
  const keep = input.byAdmin ? 'Only an admin can undo it until then.' : 'To keep it, log in before that and send:';
  const call = input.byAdmin ? [] : [`POST ${input.restoreUrl}`];
  return layout({
    subject: 'Your Pockity account will be deleted',
    title: 'Your account will be deleted',
    text: [when, '', keep, ...call],
    body: html`${paragraph(when)}${paragraph(keep)}${input.byAdmin ? null : paragraph(html`<code>POST ${input.restoreUrl}</code>`)}`,
    reason: input.byAdmin
      ? 'You get this because an admin of this Pockity has deleted the account.'
      : 'You get this because somebody with your password asked for it.',
  });
}

function codeParts({ code, validMinutes }: CodeInput, use: string): { readonly lines: string[]; readonly body: Html } {
  const valid = `It is valid for ${validMinutes} minutes. Nobody at Pockity will ask you for it.`;
  return {
    lines: [`Your code: ${code}`, '', valid],
    body: html`${paragraph(use)}
<p style="margin:0 0 16px;font-size:32px;font-weight:700;letter-spacing:6px;font-family:ui-monospace,monospace"><span>${code}</span></p>
${paragraph(valid)}`,
  };
}
