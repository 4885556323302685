import { type Html, html } from '../../../platform/html/html.ts';

/** What a template gives: the same content twice, for those who see HTML and those who don't. */
export interface MailContent {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface MailDraft {
  readonly subject: string;
  /** One line, above the content. */
  readonly title: string;
  readonly text: readonly string[];
  readonly body: Html;
  /** Why the reader gets this. */
  readonly reason: string;
}

/** Puts a draft into the one frame that all mails share. No image, no script, nothing is loaded from anywhere. */
export function layout(draft: MailDraft): MailContent {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${draft.subject}</title>
</head>
<body style="margin:0;padding:24px;background:#f4f4f5;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#18181b">
<div style="max-width:560px;margin:0 auto;padding:32px;background:#ffffff;border-radius:12px">
<p style="margin:0 0 24px;font-weight:700;color:#52525b">Pockity</p>
<h1 style="margin:0 0 16px;font-size:22px;line-height:1.3">${draft.title}</h1>
${draft.body}
<p style="margin:32px 0 0;padding-top:16px;border-top:1px solid #e4e4e7;font-size:13px;color:#52525b">${draft.reason}</p>
</div>
</body>
</html>
`;
  return {
    subject: draft.subject,
    text: `${[draft.title, '', ...draft.text, '', '--', draft.reason].join('\n')}\n`,
    html: page.toString(),
  };
}

/** A paragraph. */
export function paragraph(content: string | Html): Html {
  return html`<p style="margin:0 0 16px;line-height:1.6">${content}</p>
`;
}

/** Names and values beside each other. */
export function facts(rows: readonly (readonly [string, string])[]): Html {
  const cells = rows.map(
    ([name, value]) => html`<tr>
<td style="padding:6px 16px 6px 0;color:#52525b;vertical-align:top;white-space:nowrap">${name}</td>
<td style="padding:6px 0;white-space:pre-wrap">${value}</td>
</tr>
`,
  );
  return html`<table role="presentation" style="margin:0 0 16px;border-collapse:collapse;line-height:1.5">
${cells}</table>
`;
}

/** The same for the text part. */
export function factLines(rows: readonly (readonly [string, string])[]): string[] {
  return rows.map(([name, value]) => `${name}: ${value}`);
}
