// How the demo shows requests and answers to a person: as curl lines, short and without secrets.
import { inspect } from 'node:util';

/** A value of the API's JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Who sends a request; the curl lines name their credentials as shell variables. */
export type Sender = 'nobody' | 'ada' | 'admin' | 'key';

/** One request, and what it is for. */
export interface Step {
  readonly title: string;
  readonly as: Sender;
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api`, or a whole URL. */
  readonly path: string;
  readonly json?: { readonly [name: string]: Json };
  readonly file?: { readonly name: string; readonly type: string; readonly content: Buffer };
  readonly range?: string;
  /** 200 unless told. */
  readonly expect?: number;
}

/** Secrets, and what is too long to look at. */
const SHORTENED_FIELDS = new Set(['token', 'refreshToken', 'secretKey', 'checksumSha256', 'requestId']);
const OMITTED_FIELDS = new Set(
  'createdAt updatedAt reviewedAt lastModified lastUpdated requestType etag trashBytes versionBytes'.split(' '),
);

const colour = process.stdout.isTTY ? { bold: '1', dim: '2', green: '32', red: '31' } : {};

const CURL_CREDENTIALS: Readonly<Record<Sender, string>> = {
  nobody: '',
  ada: '-H "authorization: Bearer $ADA_TOKEN"',
  admin: '-H "authorization: Bearer $ADMIN_TOKEN"',
  key: '-H "x-access-key-id: $ACCESS_KEY_ID" -H "x-secret-key: $SECRET_KEY"',
};

/** What does the same in a shell, over as many lines as it has kinds of options. */
export function curlOf({ method = 'GET', path, as, json, file, range }: Step): string {
  const body = json && 'password' in json ? { ...json, password: '********' } : json;
  const parts = [
    `curl${method === 'GET' || file ? '' : ` -X ${method}`} '${maskUrl(path)}'`,
    CURL_CREDENTIALS[as],
    body ? `-H 'content-type: application/json' -d '${JSON.stringify(body)}'` : '',
    file ? `-F 'file=@${file.name};type=${file.type}'` : '',
    range ? `-H 'range: ${range}'` : '',
  ];
  return parts.filter((part) => part !== '').join(' \\\n       ');
}

/** `201 Created`, in the colour of its kind. */
export function statusOf({ status, statusText }: Response): string {
  return paint(status < 400 ? 'green' : 'red', `${status} ${statusText}`);
}

/** An answer as a person wants to see it: without secrets, empty fields and what nobody asked for. */
export function show(value: Json): string {
  return inspect(shorten(value), { depth: 5, breakLength: 110, compact: 3, maxStringLength: 100 });
}

function shorten(value: Json, name = ''): Json {
  if (typeof value === 'string') return SHORTENED_FIELDS.has(name) ? `${value.slice(0, 4)}...` : maskUrl(value);
  if (Array.isArray(value)) return value.map((item: Json) => shorten(item));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([field, inner]) => inner !== null && !OMITTED_FIELDS.has(field));
  return Object.fromEntries(kept.map(([field, inner]) => [field, shorten(inner, field)]));
}

/** A signed URL is a secret as long as it lives. */
function maskUrl(text: string): string {
  return text.replaceAll(/(signature=.{4})[^&]+/gi, '$1...');
}

/** Plain where the output is no terminal. */
export function paint(name: 'bold' | 'dim' | 'green' | 'red', text: string): string {
  const code = colour[name];
  return code ? `\x1b[${code}m${text}\x1b[0m` : text;
}
