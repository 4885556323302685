import type { Request } from 'express';
import type { z } from 'zod';
import { AppError } from '../errors/app-error.ts';
import type { Principal } from '../features/access/index.ts';
import {
  doneBefore,
  type Effect,
  type IdempotencyAttempt,
  type IdempotencyService,
  type StoredReply,
} from '../features/idempotency/index.ts';
import { addressKey, ipAddressOf } from '../platform/rate-limit/address-key.ts';
import { toAppError } from './error-handler.ts';
import { headerText } from './header-text.ts';
import { type FilePart, receiveFile } from './multipart-upload.ts';
import type { FormDigest } from './part-digest.ts';
import type { RebuildInput, Replay, ReplayInput, Reply, Route, RouteInput, Send } from './route.ts';

export const KEY_HEADER = 'idempotency-key';
export const REPLAYED_HEADER = 'Idempotency-Replayed';
const MAX_KEY_LENGTH = 255;
/** Before a form's fingerprint stands its size, so that a longer one need not be read whole. */
const SIZE_BYTES = 8;
/** A form that is only compared may take this long, and what its known size takes at the least rate. */
const COMPARE_MS = 30_000;
const COMPARE_BYTES_PER_SECOND = 16 * 1024;
const MAX_COMPARE_MS = 24 * 3600_000;
/** A form that took longer is answered only if its sender still may. */
const CONFIRM_AFTER_MS = 1_000;

type Input = RouteInput<'anyone', z.ZodType, z.ZodType, z.ZodType>;
type Rebuild = RebuildInput<'anyone', z.ZodType, z.ZodType, z.ZodType>;
type MayReplay = (input: ReplayInput<'anyone', z.ZodType, z.ZodType, z.ZodType>) => Promise<unknown>;

/** A request with a key, parsed and allowed. */
export interface KeyedExchange {
  readonly spec: Route;
  /** As declared: the same below `/api` and `/api/v1`. */
  readonly operation: string;
  readonly key: string;
  readonly principal: Principal | null;
  readonly input: Input;
  /** The handler and the answer as it is sent; `attempt` marks what is recorded. Null where the handler answers itself. */
  readonly act: (attempt: IdempotencyAttempt) => Promise<StoredReply | null>;
  readonly present: (reply: Reply | Send) => StoredReply | null;
}

/** The request's key where its route takes one. Errors: VALIDATION_FAILED. */
export function idempotencyKeyOf(spec: Route, { headers }: Request): string | undefined {
  const value = headers[KEY_HEADER];
  if (!spec.idempotent || value === undefined) return undefined;
  const key = headerText(String(value));
  const { length } = [...key];
  if (length >= 1 && length <= MAX_KEY_LENGTH && !/\p{Cc}/u.test(key)) return key;
  const message = `must be 1 to ${MAX_KEY_LENGTH} characters`;
  throw new AppError('VALIDATION_FAILED', { details: [{ path: KEY_HEADER, message }] });
}

/**
 * Answers a request that came with a key: by doing it, or as it was answered before, or by what was made when that answer
 * was lost. Null where the handler answers itself. Errors: IDEMPOTENCY_KEY_REUSED, CONFLICT (under way, or done and
 * its answer lost), those of the handler and of `mayReplay`.
 */
export async function answerOnce(service: IdempotencyService, exchange: KeyedExchange): Promise<StoredReply | null> {
  const { spec, input, key, principal } = exchange;
  const { req, res } = input;
  const begun = await service.begin({
    scope: scopeOf(service, exchange),
    key,
    userId: principal?.userId ?? null,
    fingerprint: spec.multipartField === undefined ? service.fingerprint(askedIn(spec, req, req.body ?? null)) : null,
  });
  if (begun.kind === 'run') return runOnce(service, exchange, begun.attempt);
  const replay: Replay =
    begun.kind === 'done'
      ? { answer: begun.reply, subjectId: begun.subject.id, secret: null }
      : { answer: null, subjectId: begun.effect.subject.id, secret: begun.effect.secret };
  const assertMay = async () => (spec.mayReplay as MayReplay | undefined)?.({ ...input, replay });
  await assertMay();
  if (spec.multipartField !== undefined && begun.fingerprint !== null) {
    const startedAt = performance.now();
    await assertSameForm(service, { spec, input, field: spec.multipartField, known: begun.fingerprint });
    if (performance.now() - startedAt > CONFIRM_AFTER_MS) {
      await input.confirm();
      await assertMay();
    }
  }
  res.setHeader(REPLAYED_HEADER, 'true');
  return begun.kind === 'done' ? begun.reply : rebuilt(exchange, begun.effect);
}

function runOnce(
  service: IdempotencyService,
  { act, spec, input: { req } }: KeyedExchange,
  attempt: IdempotencyAttempt,
): Promise<StoredReply | null> {
  req.onForm = (form) => service.noteFingerprint(attempt, fingerprintOf(service, { spec, req }, form));
  return service.run(
    attempt,
    () => act(attempt),
    (error) => toAppError(error).httpStatusCode < 500,
  );
}

/** Reads the form through, in time, and nothing more: what it holds was taken in before. */
async function assertSameForm(
  service: IdempotencyService,
  { spec, input, field, known }: Pick<KeyedExchange, 'spec' | 'input'> & { field: string; known: Buffer },
): Promise<void> {
  const { req, res } = input;
  const knownBytes = Number(known.readBigUInt64BE(0));
  req.onForm = async (form) => service.assertSame(fingerprintOf(service, { spec, req }, form), known);
  const receive = async ({ body }: FilePart) => {
    let sizeBytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > knownBytes) throw new AppError('IDEMPOTENCY_KEY_REUSED');
    }
    return { abort: async () => undefined };
  };
  await receiveFile(req, res, field, receive, { deadlineMs: compareMs(knownBytes) });
}

/** How long a form of a known size may take to come. */
function compareMs(sizeBytes: number): number {
  return Math.min(MAX_COMPARE_MS, COMPARE_MS + Math.ceil((sizeBytes / COMPARE_BYTES_PER_SECOND) * 1000));
}

/** What was made may be gone by now: then the answer is that it was done. */
async function rebuilt(
  { spec, input, present }: KeyedExchange,
  { subject, secret }: Effect,
): Promise<StoredReply | null> {
  const rebuild = spec.rebuild as ((input: Rebuild) => Promise<Reply | Send>) | undefined;
  try {
    if (!rebuild || subject.id === null) throw doneBefore(subject);
    return present(await rebuild({ ...input, subjectId: subject.id, secret }));
  } catch (error) {
    input.res.removeHeader(REPLAYED_HEADER);
    throw toAppError(error).httpStatusCode < 500 ? doneBefore(subject) : error;
  }
}

/** Whoever proves nothing is told apart by address and by what the path names, as those of other keys are by these. */
function scopeOf(service: IdempotencyService, { principal, operation, input: { req } }: KeyedExchange): string {
  if (principal?.kind === 'key') return `key:${principal.apiKeyId} ${operation}`;
  if (principal) return `user:${principal.userId} ${operation}`;
  const who = service.fingerprint(['anyone', addressKey(ipAddressOf(req.ip)), req.params]);
  return `anyone:${who.toString('base64url')} ${operation}`;
}

/** Where the body is raw, what it is for stands in the headers. */
function askedIn({ headers = {} }: Route, req: Request, body: unknown): object {
  const named = Object.keys(headers).map((name) => [name, req.headers[name.toLowerCase()] ?? null]);
  return { params: req.params, query: req.query, body, ...(named.length > 0 ? { headers: named } : {}) };
}

function fingerprintOf(
  service: IdempotencyService,
  { spec, req }: { readonly spec: Route; readonly req: Request },
  form: FormDigest,
): Buffer {
  const size = Buffer.alloc(SIZE_BYTES);
  size.writeBigUInt64BE(BigInt(form.sizeBytes));
  return Buffer.concat([size, service.fingerprint(askedIn(spec, req, form))]);
}
