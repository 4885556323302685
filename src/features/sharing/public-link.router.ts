import { create } from 'content-disposition';
import type { Request, Response } from 'express';
import type { AppError } from '../../errors/app-error.ts';
import { sendContent } from '../../http/content.ts';
import { headerText } from '../../http/header-text.ts';
import { keepPrivate, prefersHtml, STYLES_URL, sendPage } from '../../http/html-page.ts';
import { receiveFile } from '../../http/multipart-upload.ts';
import { pageMeta } from '../../http/paging.ts';
import type { RequestContext } from '../../http/request-context.ts';
import { created, ok, type Route, route } from '../../http/route.ts';
import { CONTENT_ERRORS, CONTENT_STREAM, sendFile } from '../storage/index.ts';
import { tokenParams } from './link.schemas.ts';
import type { LinkDoorService, Visit } from './link-door.service.ts';
import type { LinkDropService } from './link-drop.service.ts';
import { failurePage } from './public-failure.ts';
import { presentListing } from './public-link.presenter.ts';
import * as schemas from './public-link.schemas.ts';
import type { PublicLinkService } from './public-link.service.ts';
import type { PublicLink } from './public-link.ts';
import { PublicPages } from './public-page.ts';

const TAG = 'Public links';
const PASS_COOKIE = 'pockity_link';
const MAX_PASSES = 5;
/** Whoever may not enter. */
const DOOR_ERRORS = [
  'LINK_NOT_FOUND',
  'LINK_PASSWORD_REQUIRED',
  'INVALID_CREDENTIALS',
  'DEPENDENCY_UNAVAILABLE',
] as const;
const PASSWORD_NOTE =
  'Where the link has a password, a program sends it as `x-link-password` (UTF-8), a browser the cookie of `unlock`.';

export interface PublicLinkRouteDependencies {
  readonly door: LinkDoorService;
  readonly links: PublicLinkService;
  readonly drops: LinkDropService;
}

/** `/s/:token`: what a public link opens, for people and for programs. */
export function publicLinkRoutes(deps: PublicLinkRouteDependencies): Route[] {
  return [...lookRoutes(deps), ...contentRoutes(deps), dropRoute(deps)];
}

const pages = new PublicPages(STYLES_URL);

function lookRoutes({ door, links }: PublicLinkRouteDependencies): Route[] {
  return [
    route({
      method: 'get',
      path: '/s/:token',
      root: true,
      operationId: 'openLink',
      tag: TAG,
      summary: 'Open a public link',
      description: `What the link opens, one level of a folder at a time: folders, then files. A page for who asks for HTML, else JSON. ${PASSWORD_NOTE}`,
      access: 'anyone',
      params: tokenParams,
      query: schemas.listingQuery,
      success: {
        200: {
          description: 'What is there',
          data: schemas.listingData,
          meta: pageMeta,
          example: schemas.listingExample,
        },
      },
      stream: { content: { 'text/html': '<!doctype html>...' }, statuses: { 200: 'What is there' } },
      errors: [...DOOR_ERRORS, 'FOLDER_NOT_FOUND'],
      failurePage: inWords,
      handler: async ({ params, query, context, req, res }) => {
        const link = await enter(door, params.token, { context, req, res });
        const listing = await links.list(link, { path: query.path, limit: query.limit, cursor: query.cursor });
        if (prefersHtml(req)) {
          sendPage(res, 200, pages.listing(`/s/${params.token}`, link, listing));
          return undefined;
        }
        const { nextCursor } = listing;
        return ok('Public link', presentListing(link, listing), { nextCursor, limit: query.limit });
      },
    }),
    route({
      method: 'post',
      path: '/s/:token/unlock',
      root: true,
      operationId: 'unlockLink',
      tag: TAG,
      summary: 'Show the password of a public link',
      description:
        'Sets a cookie that opens this link for an hour. Ten wrong passwords from one address close the link to it for 15 minutes. The form of a page is led back to the link.',
      access: 'anyone',
      limit: 'auth',
      params: tokenParams,
      body: schemas.unlockBody,
      bodyExample: schemas.unlockExample,
      formBody: true,
      success: {
        200: {
          description: 'The cookie is set',
          data: schemas.unlockData,
          example: { expiresAt: '2026-11-21T10:00:00.000Z' },
        },
      },
      stream: { content: {}, statuses: { 303: 'Back to the link, for a page' } },
      errors: ['LINK_NOT_FOUND', 'INVALID_CREDENTIALS', 'DEPENDENCY_UNAVAILABLE'],
      failurePage: inWords,
      handler: async ({ params: { token }, body, context, req, res }) => {
        keepPrivate(res);
        const pass = await door.unlock({ token, password: body.password, ip: context.ip });
        if (pass) {
          res.cookie(PASS_COOKIE, pass.value, {
            httpOnly: true,
            sameSite: 'lax',
            secure: context.publicOrigin.startsWith('https:'),
            path: `/s/${token}`,
            expires: pass.expiresAt,
          });
        }
        if (prefersHtml(req)) {
          res.setHeader('Cache-Control', 'no-store');
          res.status(303).setHeader('Location', `/s/${token}`).end();
          return undefined;
        }
        return ok('Unlocked', { expiresAt: pass?.expiresAt.toISOString() ?? null });
      },
    }),
  ];
}

function contentRoutes({ door, links }: PublicLinkRouteDependencies): Route[] {
  return [
    route({
      method: 'get',
      path: '/s/:token/content',
      root: true,
      operationId: 'downloadLink',
      tag: TAG,
      summary: 'Download a file by a public link',
      description: `The file of the link, or the one at \`path\` below its folder. Counted before the first byte; HEAD and 304 are not. Understands what \`/storage/files/:fileName/content\` does, but no Range on a link that gives a limited number of downloads: there each answer is the whole file. ${PASSWORD_NOTE}`,
      access: 'anyone',
      params: tokenParams,
      query: schemas.pathQuery,
      stream: CONTENT_STREAM,
      errors: [...DOOR_ERRORS, 'FILE_NOT_FOUND', 'FORBIDDEN', ...CONTENT_ERRORS],
      failurePage: inWords,
      handler: async ({ params, query, context, req, res }) => {
        const link = await enter(door, params.token, { context, req, res });
        // Whoever may not read for ever may not read in pieces either: each would be a download for less.
        const exchange = { req, res, isWhole: link.maxDownloads !== null };
        return sendFile(exchange, (choose) => links.download(link, query.path, { choose, origin: context }));
      },
    }),
    route({
      method: 'get',
      path: '/s/:token/zip',
      root: true,
      operationId: 'zipLink',
      tag: TAG,
      summary: 'Download a folder by a public link',
      description: `The folder of the link, or the one at \`path\` below it, as a ZIP, streamed; one download, whatever is in it. ${PASSWORD_NOTE}`,
      access: 'anyone',
      params: tokenParams,
      query: schemas.pathQuery,
      stream: {
        content: { 'application/zip': 'PK...' },
        statuses: { 200: 'The ZIP, of a length that is not known before' },
      },
      errors: [...DOOR_ERRORS, 'FOLDER_NOT_FOUND', 'FILE_NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
      failurePage: inWords,
      handler: async ({ params, query, context, req, res }) => {
        const link = await enter(door, params.token, { context, req, res });
        const zip =
          req.method === 'HEAD'
            ? { name: await links.zipName(link, query.path), body: undefined }
            : await links.zip(link, query.path, context);
        res.setHeader('Content-Type', 'application/zip');
        res.setHeader('Content-Disposition', create(zip.name, { type: 'attachment' }));
        await sendContent(res, zip.body);
        return undefined;
      },
    }),
  ];
}

function dropRoute({ door, drops }: PublicLinkRouteDependencies): Route {
  return route({
    method: 'post',
    path: '/s/:token/files',
    root: true,
    operationId: 'dropFile',
    tag: TAG,
    summary: 'Send a file by a public link',
    description: `Streams one file of a multipart form into the folder of a drop. Nothing is replaced, and the answer names what was sent, not what is there. ${PASSWORD_NOTE}`,
    access: 'anyone',
    idempotent: true,
    limit: 'upload',
    params: tokenParams,
    multipartField: 'file',
    success: {
      201: { description: 'The file as it was sent', data: schemas.droppedData, example: schemas.droppedExample },
    },
    stream: { content: { 'text/html': '<!doctype html>...' }, statuses: { 201: 'The file as it was sent' } },
    errors: [
      ...DOOR_ERRORS,
      'FORBIDDEN',
      'QUOTA_EXCEEDED',
      'FILE_TOO_LARGE',
      'FILE_TYPE_NOT_ALLOWED',
      'CONTENT_MISMATCH',
      'CONFLICT',
      'STORAGE_FULL',
    ],
    failurePage: inWords,
    handler: async ({ params: { token }, context, req, res }) => {
      const link = await enter(door, token, { context, req, res });
      drops.assertTakes(link);
      const staged = await receiveFile(req, res, 'file', (part) =>
        drops.stage(token, link, { ...part, origin: context }),
      );
      const dropped = await staged.commit();
      if (prefersHtml(req)) {
        const page = pages.drop(`/s/${token}`, await drops.lookAgain(token, link), dropped);
        return () => sendPage(res, 201, page);
      }
      return created('File sent', { file: { name: dropped.name, size: dropped.sizeBytes } });
    },
    mayReplay: async ({ params: { token }, context, req, res }) =>
      drops.assertTakes(await enter(door, token, { context, req, res })),
  });
}

/** For people; null for programs. */
function inWords(req: Request): ((failure: AppError) => string) | null {
  const home = `/s/${encodeURIComponent(String(req.params['token']))}`;
  return prefersHtml(req) ? (failure) => failurePage(failure, home, pages) : null;
}

function enter(
  door: LinkDoorService,
  token: string,
  { context, req, res }: { readonly context: RequestContext; readonly req: Request; readonly res: Response },
): Promise<PublicLink> {
  keepPrivate(res);
  const password = req.headers['x-link-password'];
  const visit: Visit = {
    token,
    password: typeof password === 'string' ? headerText(password) : undefined,
    passes: cookiesOf(req, PASS_COOKIE),
    ip: context.ip,
  };
  return door.enter(visit);
}

/** The first few: a browser may hold one for another path too, and which comes first is not ours to say. */
function cookiesOf(req: Request, name: string): string[] {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const values = pairs.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
  return values.slice(0, MAX_PASSES);
}
