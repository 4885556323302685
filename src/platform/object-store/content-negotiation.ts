import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';
import parseRange from 'range-parser';
import { parseHttpDate } from './http-date.ts';
import type { ByteRange } from './object-store.ts';

/** The representation that a request is about. */
export interface Representation {
  readonly sizeBytes: number;
  /** Strong validator, without quotes. */
  readonly etag: string;
  readonly lastModified: Date;
}

/** How to answer a request for content. `headers` are complete for the status: validators, lengths, ranges. */
export type ContentAnswer =
  | { readonly status: 200; readonly headers: Readonly<Record<string, string>> }
  | { readonly status: 206; readonly headers: Readonly<Record<string, string>>; readonly range: ByteRange }
  | { readonly status: 304 | 412 | 416; readonly headers: Readonly<Record<string, string>> };

/**
 * Preconditions and ranges for GET and HEAD, in the order of RFC 9110 section 13.2.2: If-Match or
 * If-Unmodified-Since, If-None-Match or If-Modified-Since, then Range with If-Range.
 *
 * Allowed by the RFC and done here: several ranges, an unknown unit, a malformed range, or any range of an empty
 * representation are answered with the whole (200); Range means nothing to HEAD.
 */
export function negotiateContent(method: string, headers: IncomingHttpHeaders, about: Representation): ContentAnswer {
  const etag = `"${about.etag}"`;
  const lastModified = about.lastModified.toUTCString();
  const validators = { etag, 'last-modified': lastModified, 'accept-ranges': 'bytes' };

  if (!preconditionHolds(headers, etag, lastModified)) return { status: 412, headers: validators };
  // Without the request's Cache-Control, which `fresh` would heed: fetch() adds `no-cache` to every If-None-Match of its
  // caller, and RFC 9110 lets nothing but the validators decide here.
  const { 'if-none-match': ifNoneMatch, 'if-modified-since': ifModifiedSince } = headers;
  // What is no HTTP-date is to be ignored, also where JavaScript finds a date in it (13.1.3).
  const since = parseHttpDate(ifModifiedSince);
  const conditions = {
    'if-none-match': ifNoneMatch,
    'if-modified-since': since === null ? undefined : new Date(since).toUTCString(),
  };
  if (fresh(conditions, { etag, 'last-modified': lastModified })) return { status: 304, headers: validators };

  const range = method === 'GET' && rangeApplies(headers, etag) ? findRange(headers, about) : null;
  if (range === 'unsatisfiable') {
    return { status: 416, headers: { ...validators, 'content-range': `bytes */${about.sizeBytes}` } };
  }
  if (range === null) {
    return { status: 200, headers: { ...validators, 'content-length': String(about.sizeBytes) } };
  }
  return {
    status: 206,
    range,
    headers: {
      ...validators,
      'content-length': String(range.end - range.start + 1),
      'content-range': `bytes ${range.start}-${range.end}/${about.sizeBytes}`,
    },
  };
}

function preconditionHolds(headers: IncomingHttpHeaders, etag: string, lastModified: string): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    // Strong comparison: a weak tag never matches (RFC 9110 section 13.1.1).
    const tags: readonly string[] = ifMatch.match(/(?:W\/)?"[^"]*"/g) ?? [];
    return ifMatch.trim() === '*' || tags.includes(etag);
  }
  const since = parseHttpDate(headers['if-unmodified-since']);
  return since === null || Date.parse(lastModified) <= since;
}

/**
 * Whether Range is to be heeded: no If-Range, or one that is the strong tag of this representation. A date never is
 * strong enough (RFC 9110 section 13.1.5): it has whole seconds, two contents of one second share it (8.8.2.2), and the
 * parts of both would be put together as one file. Every answer carries a tag to go by instead.
 */
function rangeApplies(headers: IncomingHttpHeaders, etag: string): boolean {
  const ifRange = headers['if-range'];
  return typeof ifRange !== 'string' || ifRange.trim() === etag;
}

function findRange(headers: IncomingHttpHeaders, about: Representation): ByteRange | 'unsatisfiable' | null {
  const header = headers.range;
  if (header === undefined || about.sizeBytes === 0) return null;
  // range-parser calls a suffix longer than the representation unsatisfiable; the RFC means all of it (14.1.2).
  const suffix = /^\s*bytes\s*=\s*-(\d+)\s*$/i.exec(header)?.[1];
  if (suffix !== undefined && Number(suffix) >= about.sizeBytes) return { start: 0, end: about.sizeBytes - 1 };
  // Its end before its beginning: no range at all (14.1.1), where range-parser sees one that cannot be satisfied.
  const [, from, to] = /^\s*bytes\s*=\s*(\d+)\s*-\s*(\d+)\s*$/i.exec(header) ?? [];
  if (from !== undefined && to !== undefined && Number(to) < Number(from)) return null;
  const ranges = parseRange(about.sizeBytes, header.toLowerCase().trim());
  if (ranges === -2) return null;
  if (ranges === -1) return header.toLowerCase().trim().startsWith('bytes=') ? 'unsatisfiable' : null;
  const [first] = ranges;
  if (ranges.type !== 'bytes' || !first || header.includes(',')) return null;
  return { start: first.start, end: first.end };
}
