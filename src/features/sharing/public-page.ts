import { type Html, html } from '../../platform/html/html.ts';
import { lastSegment } from '../ingest/index.ts';
import type { DroppedFile } from './link-drop.service.ts';
import type { PublicLink, PublicListing } from './public-link.ts';
import { dateOf, inSight, sizeOf } from './public-text.ts';

interface Frame {
  readonly title: string;
  readonly stylesUrl: string;
  readonly isNarrow?: boolean;
}

/** What people see at a public link: whole documents, without any script. */
export class PublicPages {
  readonly #stylesUrl: string;

  constructor(stylesUrl: string) {
    this.#stylesUrl = stylesUrl;
  }

  /** What the link opens; `home` is the link's own address. */
  listing(home: string, link: PublicLink, listing: PublicListing): string {
    const { target } = link;
    if (target.kind === 'drop') return this.drop(home, link, null);
    const title = lastSegment(listing.path === '' ? target.path : listing.path);
    return this.#page({ title }, target.kind === 'file' ? file(home, link, listing) : folder(home, link, listing));
  }

  /** The form of a drop, and what has just come by it. */
  drop(home: string, { target, expiresAt }: PublicLink, done: DroppedFile | null): string {
    const title = `Send files to “${lastSegment(target.path)}”`;
    const limits = target.kind === 'drop' ? target.limits : null;
    const isFull = target.kind === 'drop' && target.isFull;
    return this.#page(
      { title, isNarrow: true },
      html`<h1>${isolated(title)}</h1>
<p class="quiet">Others who have this link do not see what you send.${
        limits &&
        ` It takes up to ${limits.maxFiles} ${limits.maxFiles === 1 ? 'file' : 'files'} and ${sizeOf(limits.maxBytes)} altogether.`
      }${expiresAt && html` It is open until ${time(expiresAt)}.`}</p>
${done && html`<p class="note good" role="status">Sent: ${isolated(done.name)} (${sizeOf(done.sizeBytes)})</p>`}
${isFull ? html`<p class="note bad">It is full and takes no more files.</p>` : dropForm(home)}`,
    );
  }

  /** Asks for the password, after a wrong one too. */
  password(home: string, fault: string | null): string {
    return this.#page(
      { title: 'Password needed', isNarrow: true },
      html`<h1>Password needed</h1>
<p class="quiet">Whoever sent you this link has protected it.</p>
${fault === null ? null : html`<p class="note bad" role="alert">${fault}</p>`}
<form method="post" action="${home}/unlock">
<label for="password">Password</label>
<input id="password" name="password" type="password" required maxlength="1024" autocomplete="current-password"${fault === null ? null : html` aria-invalid="true"`}>
<button type="submit">Open</button>
</form>`,
    );
  }

  /** What went wrong; `back` leads to where it may go on. */
  failure({ title, message }: { readonly title: string; readonly message: string }, back: string | null): string {
    return this.#page(
      { title, isNarrow: true },
      html`<h1>${title}</h1>
<p class="quiet">${inSight(message)}</p>
${back === null ? null : html`<p class="more"><a href="${back}">Back to the link</a></p>`}`,
    );
  }

  #page(frame: Omit<Frame, 'stylesUrl'>, content: Html): string {
    return page({ ...frame, stylesUrl: this.#stylesUrl }, content);
  }
}

function page({ title, stylesUrl, isNarrow = false }: Frame, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${inSight(title)} · Pockity</title>
<link rel="stylesheet" href="${stylesUrl}">
</head>
<body>
<main${isNarrow ? html` class="narrow"` : null}>
${content}
</main>
<footer>Shared with Pockity</footer>
</body>
</html>
`.toString();
}

function file(home: string, link: PublicLink, { files: [found] }: PublicListing): Html {
  if (!found) return html`<h1>There is no file</h1>`;
  return html`<div class="head">
<div>
<h1>${isolated(found.name)}</h1>
<p class="quiet">${sizeOf(found.sizeBytes)}, ${time(found.modifiedAt)}${limits(link)}</p>
</div>
<a class="button" href="${home}/content" download>Download</a>
</div>`;
}

function folder(home: string, link: PublicLink, listing: PublicListing): Html {
  const { path, folders, files, nextCursor, hasFiles } = listing;
  const isEmpty = folders.length + files.length === 0;
  const root = lastSegment(link.target.path);
  return html`<div class="head">
<div>
<h1>${isolated(path === '' ? root : lastSegment(path))}</h1>
<p class="quiet">Shared folder${limits(link)}</p>
</div>
${hasFiles ? html`<a class="button" href="${at(`${home}/zip`, { path })}" download>Download all (ZIP)</a>` : null}
</div>
${path === '' ? null : crumbs(home, root, path)}
${
  isEmpty
    ? html`<p class="note">There is nothing here.</p>`
    : html`<table>
<caption>Folders and files</caption>
<thead><tr><th scope="col">Name</th><th scope="col" class="size">Size</th><th scope="col" class="date">Changed</th></tr></thead>
<tbody>
${folders.map(
  (entry) =>
    html`<tr class="folder"><th scope="row"><a class="name" href="${at(home, { path: entry.path })}"><span class="unseen">Folder </span>${isolated(entry.name)}/</a></th><td class="size"></td><td class="date"></td></tr>
`,
)}${files.map(
  (entry) =>
    html`<tr><th scope="row"><a class="name" href="${at(`${home}/content`, { path: entry.path })}">${isolated(entry.name)}</a></th><td class="size">${sizeOf(entry.sizeBytes)}</td><td class="date">${time(entry.modifiedAt)}</td></tr>
`,
)}</tbody>
</table>`
}
${nextCursor === null ? null : html`<p class="more"><a href="${at(home, { path, cursor: nextCursor })}" rel="next">More files</a></p>`}`;
}

function crumbs(home: string, root: string, path: string): Html {
  const segments = path.split('/');
  return html`<nav aria-label="Folders"><ol>
<li><a href="${home}">${isolated(root)}</a></li>
${segments.map((segment, i) =>
  i === segments.length - 1
    ? html`<li aria-current="page">${isolated(segment)}</li>`
    : html`<li><a href="${at(home, { path: segments.slice(0, i + 1).join('/') })}">${isolated(segment)}</a></li>
`,
)}
</ol></nav>`;
}

function dropForm(home: string): Html {
  return html`<form method="post" action="${home}/files" enctype="multipart/form-data">
<label for="file">File</label>
<input id="file" name="file" type="file" required>
<button type="submit">Send</button>
</form>`;
}

function limits({ expiresAt, maxDownloads, downloads }: PublicLink): Html {
  const left = maxDownloads === null ? null : maxDownloads - downloads;
  return html`${left === null ? null : ` · ${left} ${left === 1 ? 'download' : 'downloads'} left`}${expiresAt && html` · open until ${time(expiresAt)}`}`;
}

function time(date: Date): Html {
  return html`<time datetime="${date.toISOString()}">${dateOf(date)}</time>`;
}

/** A name that others chose: it does not turn the text around it. */
function isolated(name: string): Html {
  return html`<bdi>${inSight(name)}</bdi>`;
}

function at(url: string, query: Readonly<Record<string, string>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  return given.length === 0 ? url : `${url}?${new URLSearchParams(given)}`;
}
