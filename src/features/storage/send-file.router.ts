import type { Request, Response } from 'express';
import { AppError } from '../../errors/app-error.ts';
import type { ErrorCode } from '../../errors/codes.ts';
import { sendContent } from '../../http/content.ts';
import type { StreamSpec } from '../../http/route.ts';
import { type ContentAnswer, negotiateContent } from '../../platform/object-store/content-negotiation.ts';
import type { OpenedObject } from '../../platform/object-store/object-store.ts';
import { contentDisposition, servedType } from './content-disposition.ts';
import type { ContentChoice } from './reading.service.ts';
import type { StoredFile } from './stored-file.ts';

/** Opens what `choose` picks of a file, as `ReadingService.open` does. */
type Open = (choose: (file: StoredFile) => ContentChoice) => Promise<{
  readonly file: StoredFile;
  readonly opened: OpenedObject | null;
}>;

interface Exchange {
  readonly req: Request;
  readonly res: Response;
  /** Range is not heeded. */
  readonly isWhole?: boolean;
}

/** What `sendFile` may answer, for the declaration of a route. */
export const CONTENT_STREAM = {
  content: { 'application/octet-stream': 'Hello, pocket' },
  statuses: {
    200: 'The whole content',
    206: 'The range asked for',
    304: 'Not modified',
    412: 'A precondition does not hold',
    416: 'The range lies outside the content',
  },
} as const satisfies StreamSpec;

/** What whoever reads, links or copies a content may be told of it. */
export const UNREADABLE_ERRORS = ['FILE_PROCESSING', 'VIRUS_FOUND'] as const satisfies readonly ErrorCode[];

/** And what it may refuse with, besides not finding the file. */
export const CONTENT_ERRORS = [
  ...UNREADABLE_ERRORS,
  'PRECONDITION_FAILED',
  'RANGE_NOT_SATISFIABLE',
] as const satisfies readonly ErrorCode[];

/**
 * Answers a GET or HEAD for a file's content: preconditions, one range, and headers under which it can do no harm.
 * Errors: PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE, and those of `open`.
 */
export async function sendFile({ req, res, isWhole = false }: Exchange, open: Open): Promise<undefined> {
  const { range: _range, ...others } = req.headers;
  const headers = isWhole ? others : req.headers;
  let answer: ContentAnswer | undefined;
  const { file, opened } = await open((found) => {
    answer = negotiateContent(req.method, headers, {
      sizeBytes: found.sizeBytes,
      etag: found.etag,
      lastModified: found.modifiedAt,
    });
    if (req.method === 'HEAD' || answer.status >= 300) return null;
    return { range: answer.status === 206 ? answer.range : undefined };
  });
  if (!answer) throw new Error('no answer was negotiated');
  res.setHeaders(new Map(Object.entries(answer.headers)));
  if (isWhole) res.setHeader('Accept-Ranges', 'none');
  if (answer.status === 412) throw new AppError('PRECONDITION_FAILED');
  if (answer.status === 416) throw new AppError('RANGE_NOT_SATISFIABLE', { details: { size: file.sizeBytes } });
  res.status(answer.status);
  // A 304 speaks of what the client has, and says no more than that it is still so (RFC 9110 section 15.4.5).
  if (answer.status !== 304) {
    res.setHeader('Content-Type', servedType(file.contentType));
    res.setHeader('Content-Disposition', contentDisposition(file.path, file.contentType, 'auto'));
  }
  await sendContent(res, opened?.body);
}
