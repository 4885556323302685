import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { AppError } from '../errors/app-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import type { Access, PrincipalFor } from '../features/access/index.ts';
import type { RequestContext } from './request-context.ts';
import type { Tag } from './tags.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete' | 'head' | 'options';

/** A header as the reference shows it. */
export interface HeaderSpec {
  readonly description: string;
  readonly example: string;
}

type Infer<S> = S extends z.ZodType ? z.output<S> : undefined;

/** What a handler answers; `data` is checked against the declared schema, which also strips what it does not name. */
export interface Reply {
  readonly status: number;
  readonly message: string;
  readonly data: unknown;
  readonly meta?: Record<string, unknown> | undefined;
}

/** One kind of success. `data` is the schema of the envelope's `data`; `example` an instance of it. */
export interface SuccessSpec {
  readonly description: string;
  readonly data: z.ZodType;
  readonly meta?: z.ZodType;
  readonly example: unknown;
  /** An instance of `meta`; that of a last page unless told. */
  readonly metaExample?: Readonly<Record<string, unknown>>;
}

/** A success that is no envelope but bytes: its types, each with an example, and the other statuses that may come (206, 304). */
export interface StreamSpec {
  /** One, or all that it may come as. */
  readonly content: Readonly<Record<string, string>>;
  readonly statuses: Readonly<Record<number, string>>;
  /** What else answers carry. */
  readonly headers?: Readonly<Record<string, HeaderSpec>>;
}

export interface RouteInput<A extends Access, P, Q, B> {
  readonly principal: PrincipalFor<A>;
  readonly params: Infer<P>;
  readonly query: Infer<Q>;
  readonly body: Infer<B>;
  readonly context: RequestContext;
  /**
   * Authorizes once more, and throws as that does: for handlers that read a body themselves, which may take long, before
   * they act on it.
   */
  readonly confirm: () => Promise<unknown>;
  /** The same for answers that take long to send: the access token may have run out since the request began. */
  readonly stillMay: () => Promise<PrincipalFor<A>>;
  /** For handlers that read or write the body themselves. */
  readonly req: Request;
  readonly res: Response;
}

/** What there is of a request whose work is done: what came, and what was made. */
export type RebuildInput<A extends Access, P, Q, B> = RouteInput<A, P, Q, B> & {
  readonly subjectId: string;
  /** As its audit entry gave it. */
  readonly secret: unknown;
};

/** A key's work as it was done before. */
export interface Replay {
  /** As it was given; null where it was lost and has yet to be made anew. */
  readonly answer: Pick<Reply, 'status' | 'data'> | null;
  /** What was made, as its audit entry names it. */
  readonly subjectId: string | null;
  /** Where the answer was lost: as the audit entry gave it. */
  readonly secret: unknown;
}

/** What there is of a request that is about to be answered as before. */
export type ReplayInput<A extends Access, P, Q, B> = RouteInput<A, P, Q, B> & { readonly replay: Replay };

/** Sends a response that is no envelope, once everything else about the request is over. */
export type Send = () => void;

export interface RouteSpec<A extends Access, P, Q, B> {
  readonly method: Method;
  /** Express path below `/api`, or from the root where `root` is set; parameters as `:name`. */
  readonly path: string;
  readonly root?: true;
  readonly operationId: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description: string;
  readonly access: A;
  /** Which rate limit holds: `api` unless told; `auth` for whatever proves who somebody is and could be guessed at. */
  readonly limit?: 'auth' | 'upload' | 'api' | 'none';
  readonly params?: P;
  readonly query?: Q;
  /** Headers that the handler reads, for the reference; those that are required come first. */
  readonly headers?: Readonly<Record<string, HeaderSpec & { readonly required?: true }>>;
  /** On every answer, also on a refusal. */
  readonly replyHeaders?: Readonly<Record<string, string>>;
  readonly body?: B;
  /** Largest JSON body, 100 KiB unless told. */
  readonly bodyLimitBytes?: number;
  readonly bodyExample?: unknown;
  /** The body may also come as a page's form sends it (application/x-www-form-urlencoded). */
  readonly formBody?: true;
  /** Takes an `Idempotency-Key`: every POST that creates. What it does is marked by its audit entry. */
  readonly idempotent?: true;
  /**
   * The answer for a key whose work was done and whose answer was lost, made anew from what the audit entry names as its
   * subject. CONFLICT, with the subject in its details, where a route has none.
   */
  readonly rebuild?: (input: RebuildInput<A, P, Q, B>) => Promise<Reply | Send>;
  /**
   * Throws where whoever sends a key again may not have its answer any more: whatever `access` does not say and the handler
   * asks for itself. Runs before that answer is given and before a form is read through.
   */
  readonly mayReplay?: (input: ReplayInput<A, P, Q, B>) => Promise<unknown>;
  /** The request is multipart/form-data with one file in this field; the handler reads it. */
  readonly multipartField?: string;
  /** The request's body is bytes of this type; the handler reads them. */
  readonly rawBody?: { readonly type: string; readonly required: boolean };
  readonly success?: Readonly<Record<number, SuccessSpec>>;
  readonly stream?: StreamSpec;
  /** How people are told what went wrong; null where the request asks for no HTML, and gets the envelope. */
  readonly failurePage?: (req: Request) => ((failure: AppError) => string) | null;
  /** The codes this route gives besides those that its access and inputs imply. */
  readonly errors: readonly ErrorCode[];
  /** Answers the reply, or what sends it, or undefined when it has written the response itself. */
  readonly handler: (input: RouteInput<A, P, Q, B>) => Promise<Reply | Send | undefined>;
}

/** A route whose types are checked and then forgotten, so that routes of all shapes fit one list. */
export type Route = Omit<RouteSpec<Access, z.ZodType, z.ZodType, z.ZodType>, 'handler' | 'rebuild' | 'mayReplay'> & {
  readonly handler: (input: never) => Promise<Reply | Send | undefined>;
  readonly rebuild?: (input: never) => Promise<Reply | Send>;
  readonly mayReplay?: (input: never) => Promise<unknown>;
};

/**
 * Declares a route once: the Express route, its validation, its place in OpenAPI and its list of errors all come
 * from this.
 */
export function route<
  const A extends Access,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<A, P, Q, B>): Route {
  return spec as unknown as Route;
}

/** 200 with data under its name, as API.md's envelope wants it. */
export function ok(message: string, data: unknown, meta?: Record<string, unknown>): Reply {
  return { status: 200, message, data, meta };
}

/** 201 */
export function created(message: string, data: unknown): Reply {
  return { status: 201, message, data };
}

/** 202: taken on, done later. */
export function accepted(message: string, data: unknown): Reply {
  return { status: 202, message, data };
}
