import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import type { z } from 'zod';
import { AppError } from '../errors/app-error.ts';
import type { AccessService, Principal } from '../features/access/index.ts';
import type { IdempotencyAttempt, IdempotencyService, StoredReply } from '../features/idempotency/index.ts';
import { answerOnce, idempotencyKeyOf } from './answer-once.ts';
import { sendSuccess } from './envelope.ts';
import { countRequest, type RateLimiters } from './rate-limits.ts';
import { contextOf, credentialsOf } from './request-context.ts';
import type { Reply, Route, RouteInput, Send } from './route.ts';

const DEFAULT_BODY_LIMIT = 100 * 1024;
/** How long a JSON body may take to come, however it moves. */
const JSON_BODY_MS = 30_000;

export interface RouterDependencies {
  readonly access: AccessService;
  readonly publicUrl: string | undefined;
  readonly limits: RateLimiters;
  readonly idempotency: IdempotencyService;
}

/**
 * Express routers from declarations. Routes of one first segment share a router, so that a request is not held against
 * every path there is; a known path with another method is 405 with `Allow`.
 */
export function buildRouter(routes: readonly Route[], deps: RouterDependencies): Router {
  const top = Router();
  const groups = Map.groupBy(routes, ({ path }) => `/${path.split('/')[1] ?? ''}`);
  for (const [prefix, members] of groups) {
    const group = Router();
    for (const member of members) {
      group[member.method](rest(member.path, prefix), handle(member, deps));
    }
    for (const [path, samePath] of Map.groupBy(members, (member) => rest(member.path, prefix))) {
      group.all(path, methodNotAllowed(samePath));
    }
    top.use(prefix, group);
  }
  return top;
}

function rest(path: string, prefix: string): string {
  return path.slice(prefix.length) || '/';
}

function declaredPath({ root, path }: Route): string {
  return `${root ? '' : '/api'}${path}`;
}

function methodNotAllowed(members: readonly Route[]): RequestHandler {
  const methods = new Set(members.map(({ method }) => method.toUpperCase()));
  if (methods.has('GET')) methods.add('HEAD');
  const allow = [...methods].sort().join(', ');
  const [first] = members;
  return (req, res, next) => {
    if (first) req.routePath = declaredPath(first);
    res.setHeader('Allow', allow);
    if (req.method === 'OPTIONS') {
      res.status(204).end();
      return;
    }
    next(new AppError('METHOD_NOT_ALLOWED', { details: { allow: [...methods].sort() } }));
  };
}

/**
 * Authorize, then parse, then act: who may not is told so before any body is read. And again when the body has come, which
 * may be long after: a session that has ended, a role or a key that was taken away meanwhile must not act any more.
 */
function handle(spec: Route, deps: RouterDependencies): RequestHandler {
  const handler = spec.handler as (
    input: RouteInput<'anyone', z.ZodType, z.ZodType, z.ZodType>,
  ) => Promise<Reply | Send | undefined>;
  const routePath = declaredPath(spec);
  const operation = `${spec.method.toUpperCase()} ${routePath}`;
  const limit = spec.bodyLimitBytes ?? DEFAULT_BODY_LIMIT;
  const parseJson = spec.body ? express.json({ limit }) : undefined;
  const parseForm = spec.formBody ? express.urlencoded({ limit, extended: false, parameterLimit: 20 }) : undefined;
  return async (req, res) => {
    req.routePath = routePath;
    res.failurePage = spec.failurePage?.(req) ?? null;
    for (const [name, value] of Object.entries(spec.replyHeaders ?? {})) res.setHeader(name, value);
    const admitted = await admit(spec, deps, { req, res });
    const confirm = () => deps.access.authorize(credentialsOf(req), spec.access);
    const stillMay = () =>
      deps.access.authorize(credentialsOf(req), spec.access, { isUnderWay: true }) as Promise<null>;
    const params = check('path', spec.params, req.params);
    const query = check('query', spec.query, req.query);
    const key = idempotencyKeyOf(spec, req);
    // Only now is a client that asks (Expect: 100-continue) told to send its body.
    if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue();
    if (parseJson) {
      await inTime(run(parseJson, req, res));
      if (parseForm) await inTime(run(parseForm, req, res));
      if (req.body === undefined && hasBody(req)) throw notJson();
    }
    const body = check('body', spec.body, req.body ?? {});
    const principal = parseJson && hasBody(req) ? await confirm() : admitted;
    const context = contextOf(req, deps.publicUrl);
    const input = { principal: principal as null, params, query, body, context, confirm, stillMay, req, res };
    let send: Send | undefined;
    const present = (reply: Reply | Send | undefined) => {
      if (typeof reply !== 'function') return reply ? presented(spec, reply) : null;
      send = reply;
      return null;
    };
    const act = async (attempt?: IdempotencyAttempt) =>
      present(await handler(attempt ? { ...input, context: contextOf(req, deps.publicUrl, attempt) } : input));
    const reply =
      key === undefined
        ? await act()
        : await answerOnce(deps.idempotency, { spec, operation, key, principal, input, act, present });
    send?.();
    if (reply) sendSuccess(res, reply.status, reply.message, reply.data, reply.meta);
  };
}

/** Who it is and whether that one may, within the limits. */
async function admit(
  spec: Route,
  { access, limits }: RouterDependencies,
  exchange: Exchange,
): Promise<Principal | null> {
  const { limit = 'api' } = spec;
  // Before anything is looked up: whoever guesses is counted whatever the guess was worth.
  if (limit === 'auth') await countRequest(limits.auth, null, exchange);
  let known: Principal | null = null;
  try {
    const principal = await access.authorize(credentialsOf(exchange.req), spec.access, {
      onProven: (proven) => {
        known = proven;
        // Also on a refusal for want of a permission.
        if (spec.access.startsWith('space:')) setQuotaHeaders(exchange.res, proven);
      },
    });
    if (limit === 'api' || limit === 'upload') await countRequest(limits[limit], principal, exchange);
    return principal;
  } catch (refusal) {
    const isRefusal = refusal instanceof AppError && [401, 403].includes(refusal.httpStatusCode);
    if (isRefusal && limit !== 'auth' && limit !== 'none') await countRequest(limits.api, known, exchange);
    throw refusal;
  }
}

/** A body that trickles in holds the connection, and whatever it was allowed when it began, no longer than this. */
async function inTime(reading: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `took more than ${JSON_BODY_MS / 1000} seconds to come`;
    late.reject(new AppError('VALIDATION_FAILED', { details: [{ path: 'body', message }] }));
  }, JSON_BODY_MS);
  try {
    await Promise.race([reading, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function notJson(): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ path: 'content-type', message: 'send application/json' }] });
}

/** What is left of the quota, on every storage response; a handler that changes usage sets them again. */
export function setQuotaHeaders(res: Response, { space }: Pick<Principal, 'space'>): void {
  const bytes = space.quotaBytes - space.usedBytes - space.reservedBytes;
  const objects = space.quotaObjects - space.usedObjects - space.reservedObjects;
  res.setHeader('x-quota-bytes-remaining', String(Math.max(0, bytes)));
  res.setHeader('x-quota-objects-remaining', String(Math.max(0, objects)));
}

/** `whole`: what a fault is called that is no single field's. */
function check(whole: string, schema: z.ZodType | undefined, value: unknown): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: 'is not a known field' }))
      : [{ path: issue.path.join('.') || whole, message: issue.message }],
  );
  throw new AppError('VALIDATION_FAILED', { details });
}

/** What of a reply is sent: no field that is not declared. */
function presented(spec: Route, reply: Reply): StoredReply {
  const declared = spec.success?.[reply.status];
  if (!declared) throw new Error(`${spec.operationId} answered an undeclared status ${reply.status}`);
  const data = declared.data.parse(reply.data);
  const meta = declared.meta && reply.meta ? (declared.meta.parse(reply.meta) as Record<string, unknown>) : null;
  return { status: reply.status, message: reply.message, data, meta };
}

interface Exchange {
  readonly req: Request;
  readonly res: Response;
}

/** An Express middleware as a promise. */
export function run(middleware: RequestHandler, req: Request, res: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    middleware(req, res, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
}
