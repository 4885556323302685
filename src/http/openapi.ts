import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiContentObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts';
import type { Access } from '../features/access/index.ts';
import { DETAILS_EXAMPLES } from './error-details.ts';
import type { HeaderSpec, Route } from './route.ts';
import { TAGS } from './tags.ts';

const failure = z
  .object({
    success: z.literal(false),
    message: z.string(),
    error: z.object({
      code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
      details: z.unknown(),
      httpStatusCode: z.number().int(),
      requestId: z.string(),
    }),
  })
  .meta({ id: 'Failure', description: 'Every error has this form; `code` is what a client goes by' });

const integerHeader = (description: string, example: number) => ({
  schema: { type: 'integer' as const, example },
  description,
});

const textHeader = ({ description, example }: HeaderSpec) => ({
  schema: { type: 'string' as const, example },
  description,
});

const QUOTA_HEADERS = {
  'x-quota-bytes-remaining': integerHeader('Bytes that still fit', 5_368_709_120),
  'x-quota-objects-remaining': integerHeader('Objects that still fit', 9_999),
};
const LIMIT_HEADERS = {
  'RateLimit-Limit': integerHeader('Requests in a window, where the server sets a limit', 6000),
  'RateLimit-Remaining': integerHeader('Requests that are left in this window', 5999),
  'RateLimit-Reset': integerHeader('Seconds until the window ends', 60),
  'RateLimit-Policy': {
    schema: { type: 'string' as const, example: '6000;w=60' },
    description: 'Requests and seconds of a window',
  },
};
const RETRY_AFTER = { 'Retry-After': integerHeader('Seconds to wait', 2) };
const REQUEST_ID = {
  'x-request-id': {
    schema: { type: 'string' as const, example: '0b6f4c1e-6a55-4a3f-9c35-5b8f0d0f9d11' },
    description: 'Names this request in logs',
  },
};

const IDEMPOTENCY_HEADER = z.object({
  'Idempotency-Key': z.string().min(1).max(255).optional().meta({
    description:
      'Does it once, however often it is sent: the same key and request give the first answer again for 24 hours, another request with the key is 409 `IDEMPOTENCY_KEY_REUSED`, and one that comes while the first is under way 409 `CONFLICT` with `Retry-After`. Where the answer was lost and cannot be made again, 409 `CONFLICT` says so, and its details name what was made. A request that was refused uses no key up, and one that would not be let in any more gets no answer of before. Keys belong to the API key or user, and to the address where there is neither',
    example: '7d6a2c1e-0f0b-4f6c-9a55-2f1b1f6a0c02',
  }),
});
const REPLAYED = {
  'Idempotency-Replayed': {
    schema: { type: 'string' as const, enum: ['true'], example: 'true' },
    description: 'The request was done before with this `Idempotency-Key`; nothing was done now',
  },
};

/** The `meta` of a page after which there is none. */
const LAST_PAGE = { nextCursor: null, limit: 50 };

/** The codes that a route can answer: its own, and those that its access and inputs imply. */
export function errorsOf(route: Route): ErrorCode[] {
  const implied: ErrorCode[] = ['INTERNAL'];
  // Parameters of a path are ids and names: what is none is not found.
  if (route.query || route.body || route.multipartField || route.idempotent) implied.push('VALIDATION_FAILED');
  if (route.body) implied.push('BODY_TOO_LARGE');
  if (route.idempotent) implied.push('CONFLICT', 'IDEMPOTENCY_KEY_REUSED', 'DEPENDENCY_UNAVAILABLE');
  implied.push(...accessErrors(route.access));
  if (route.limit !== 'none') implied.push('RATE_LIMITED');
  return [...new Set([...route.errors, ...implied])].sort(
    (a, b) => ERROR_CODES[a].status - ERROR_CODES[b].status || a.localeCompare(b),
  );
}

function accessErrors(access: Access): ErrorCode[] {
  if (access === 'anyone') return ['AMBIGUOUS_CREDENTIALS'];
  const user: ErrorCode[] = [
    'UNAUTHENTICATED',
    'TOKEN_EXPIRED',
    'ACCOUNT_DISABLED',
    'AMBIGUOUS_CREDENTIALS',
    'DEPENDENCY_UNAVAILABLE',
  ];
  if (access === 'leaving') return user;
  user.push('ACCOUNT_DELETION_PENDING');
  if (access === 'user') return user;
  if (access === 'verified') return [...user, 'EMAIL_NOT_VERIFIED'];
  if (access === 'admin') return [...user, 'EMAIL_NOT_VERIFIED', 'FORBIDDEN'];
  const key: ErrorCode[] = ['INVALID_CREDENTIALS', 'KEY_REVOKED', 'KEY_EXPIRED'];
  return [...user, 'EMAIL_NOT_VERIFIED', ...key, ...(access === 'space:any' ? [] : (['PERMISSION_MISSING'] as const))];
}

/** The OpenAPI 3.1 document of the declared routes; the served one and `docs/openapi.json` are both made here. */
export function buildOpenApi(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = `${route.root ? '' : '/api'}${route.path}`.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  const document = createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Pockity',
      version,
      description:
        'Self-hosted, multi-tenant cloud storage. Each API key is an isolated pocket with its own quota. The API also answers under `/api/v1`. Besides what each operation lists, any can answer 400 `VALIDATION_FAILED` (a path that is not percent-encoded), 404 `ROUTE_NOT_FOUND`, 405 `METHOD_NOT_ALLOWED` (with `Allow`), 503 `DEPENDENCY_UNAVAILABLE` (with `Retry-After`) and 507 `STORAGE_FULL`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS)
      .filter(([name]) => routes.some(({ tag }) => tag === name))
      .map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'From `/api/auth/login`, good for 15 minutes',
        },
        accessKeyId: { type: 'apiKey', in: 'header', name: 'x-access-key-id' },
        secretKey: { type: 'apiKey', in: 'header', name: 'x-secret-key' },
      },
    },
  });
  return JSON.parse(JSON.stringify(document)) as Record<string, unknown>;
}

function operation(route: Route): ZodOpenApiOperationObject {
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description: route.description,
    security: securityOf(route.access),
    requestParams: {
      ...(route.params instanceof z.ZodObject ? { path: route.params } : {}),
      ...(route.query instanceof z.ZodObject ? { query: route.query } : {}),
      ...(route.headers ? { header: headerParams(route.headers) } : {}),
      ...(route.idempotent ? { header: IDEMPOTENCY_HEADER } : {}),
    },
    ...requestBody(route),
    responses: { ...successes(route), ...failures(route) },
  };
}

function headerParams(headers: NonNullable<Route['headers']>): z.ZodObject {
  const shape = Object.entries(headers).map(([name, { required, ...meta }]) => {
    const schema = z.string().meta(meta);
    return [name, required ? schema : schema.optional()];
  });
  return z.object(Object.fromEntries(shape));
}

function securityOf(access: Access): Record<string, string[]>[] {
  if (access === 'anyone') return [];
  const bearer = { bearer: [] };
  return access.startsWith('space:') ? [{ accessKeyId: [], secretKey: [] }, bearer] : [bearer];
}

function requestBody(route: Route): Pick<ZodOpenApiOperationObject, 'requestBody'> {
  if (route.multipartField) {
    const schema = {
      type: 'object' as const,
      required: [route.multipartField],
      properties: { [route.multipartField]: { type: 'string' as const, format: 'binary' } },
      additionalProperties: false,
    };
    return { requestBody: { required: true, content: { 'multipart/form-data': { schema } } } };
  }
  if (route.rawBody) {
    const { type, required } = route.rawBody;
    return { requestBody: { required, content: { [type]: { schema: { type: 'string', format: 'binary' } } } } };
  }
  if (!route.body) return {};
  const content = { schema: route.body, ...(route.bodyExample === undefined ? {} : { example: route.bodyExample }) };
  const form = route.formBody ? { 'application/x-www-form-urlencoded': content } : {};
  return { requestBody: { required: true, content: { 'application/json': content, ...form } } };
}

function successes(route: Route): ZodOpenApiResponsesObject {
  const headers = {
    ...REQUEST_ID,
    ...(route.limit === 'none' ? {} : LIMIT_HEADERS),
    ...(route.access.startsWith('space:') ? QUOTA_HEADERS : {}),
    ...Object.fromEntries(
      Object.entries(route.stream?.headers ?? {}).map(([name, header]) => [name, textHeader(header)]),
    ),
    ...(route.idempotent ? REPLAYED : {}),
  };
  const responses: ZodOpenApiResponsesObject = {};
  /** A status may have both an envelope and a page. */
  const enveloped: Record<string, ZodOpenApiContentObject> = {};
  for (const [status, { description, data, meta, example, metaExample = LAST_PAGE }] of Object.entries(
    route.success ?? {},
  )) {
    const schema = z.object({
      success: z.literal(true),
      message: z.string(),
      data,
      meta: meta ? meta.nullable() : z.null(),
    });
    const body = { success: true, message: description, data: example, meta: meta ? metaExample : null };
    const content = { 'application/json': { schema, example: body } };
    enveloped[status] = content;
    responses[status as '200'] = { description, headers, content };
  }
  for (const [status, description] of Object.entries(route.stream?.statuses ?? {})) {
    const types = Number(status) < 300 ? Object.entries(route.stream?.content ?? {}) : [];
    const schema = { type: 'string' as const };
    const content = {
      ...enveloped[status],
      ...Object.fromEntries(types.map(([type, example]) => [type, { schema, example }])),
    };
    responses[status as '200'] = { description, headers, ...(Object.keys(content).length > 0 ? { content } : {}) };
  }
  return responses;
}

function failures(route: Route): ZodOpenApiResponsesObject {
  const responses: ZodOpenApiResponsesObject = {};
  for (const [status, codes] of Map.groupBy(errorsOf(route), (code) => ERROR_CODES[code].status)) {
    const examples = codes.map((code) => {
      const { message } = ERROR_CODES[code];
      const details = DETAILS_EXAMPLES[code] ?? null;
      const error = { code, details, httpStatusCode: status, requestId: '0b6f4c1e-6a55-4a3f-9c35-5b8f0d0f9d11' };
      return [code, { value: { success: false, message, error } }];
    });
    const retry =
      [429, 503].includes(status) || codes.includes('FILE_PROCESSING') || (route.idempotent && status === 409)
        ? RETRY_AFTER
        : {};
    responses[String(status) as '400'] = {
      description: codes.map((code) => `\`${code}\` ${ERROR_CODES[code].message}`).join('; '),
      headers: { ...REQUEST_ID, ...(route.limit === 'none' ? {} : LIMIT_HEADERS), ...retry },
      content: { 'application/json': { schema: failure, examples: Object.fromEntries(examples) } },
    };
  }
  return responses;
}
