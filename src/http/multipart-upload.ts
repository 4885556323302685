import type { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import multer, { MulterError, type StorageEngine } from 'multer';
import { AppError } from '../errors/app-error.ts';
import { type FormDigest, PartDigest } from './part-digest.ts';

declare module 'http' {
  interface IncomingMessage {
    /** Is shown what a form held when it has been read whole; what was made of it is undone when this throws. */
    onForm?: (form: FormDigest) => Promise<void>;
  }
}

const LINE_END = Buffer.from('\r\n');
/** A preamble and a part's header that are longer are not measured. */
const MAX_FORM_HEAD_BYTES = 32 * 1024;
/** In a part's header; its value may stand in a line of its own. */
const PLAIN_TEXT = /^content-type:\s*text\/plain[\t ]*(?:;|\r\n)/im;

/** The one file part of a form, as it streams in. */
export interface FilePart {
  /** As the client wrote it, folders included. */
  readonly originalName: string;
  /** undefined where the part's header holds none that can be read. */
  readonly contentType: string | undefined;
  readonly body: Readable;
  /** The part's length where the request's framing tells it; a form's own overhead is taken off, but not an epilogue. */
  readonly announcedBytes: number | undefined;
}

/** What becomes of the part; undone when the rest of the form turns out to be faulty. */
export interface Undoable {
  abort(): Promise<void>;
}

/** How long a form may take from the call until it has been read whole. */
export interface FormLimits {
  readonly deadlineMs?: number;
}

/**
 * Reads multipart/form-data with exactly one file in `field` through multer, whose storage engine here is `receive`:
 * the bytes go where it sends them, never to memory or a temporary file of multer's. Answers what `receive` made once
 * the whole form has been read; when anything is wrong before that, it has been aborted.
 * Errors: VALIDATION_FAILED (no multipart, broken, no file, two files, further fields, cut off,
 * slower than `deadlineMs`) and those of `receive`.
 */
export function receiveFile<T extends Undoable>(
  req: Request,
  res: Response,
  field: string,
  receive: (part: FilePart) => Promise<T>,
  { deadlineMs }: FormLimits = {},
): Promise<T> {
  const first = watchFirstPart(req);
  req.once('end', () => waitPatiently(req, res));
  let deadline: NodeJS.Timeout | undefined;
  const reading = new Promise<T>((resolve, reject) => {
    let receiving: Promise<T> | undefined;
    let stream: Readable | undefined;
    let digest: PartDigest | undefined;
    let seen = async (): Promise<void> => undefined;
    if (deadlineMs !== undefined) {
      deadline = setTimeout(() => {
        // What comes yet is thrown away, not parsed: a part that began now would belong to nobody.
        req.unpipe();
        const error = tookTooLong(deadlineMs);
        stream?.destroy(error);
        fail(error);
      }, deadlineMs);
    }
    const fail = (error: unknown) => {
      stream?.destroy();
      if (!receiving) {
        reject(toFormError(error, field));
        return;
      }
      // The error goes out when nothing of the upload is left.
      receiving
        .then(
          (made) => made.abort(),
          () => undefined,
        )
        .finally(() => reject(toFormError(error, field)));
    };
    const engine: StorageEngine = {
      _handleFile: (_req, file, done) => {
        stream = file.stream;
        digest = req.onForm && PartDigest.of(file.stream);
        const { originalname: originalName } = file;
        // The parser says so of a part without a type, too, and of one with nonsense.
        const contentType = file.mimetype !== 'text/plain' || first.isPlainText() ? file.mimetype : undefined;
        const announcedBytes = first.announcedBytes();
        receiving = receive({ originalName, contentType, body: digest ?? file.stream, announcedBytes });
        seen = async () => {
          if (digest && req.onForm) {
            await req.onForm({ originalName, contentType, sizeBytes: digest.sizeBytes, sha256: digest.sha256() });
          }
        };
        receiving.then(
          () => done(null, {}),
          (error: unknown) => {
            // Before multer, which would read the rest of the request first, however much that is. What the part itself
            // broke with is the form's fault.
            reject(error === file.stream.errored ? toFormError(error, field) : error);
            done(error instanceof Error ? error : new Error(String(error)));
          },
        );
      },
      // What the engine made is undone in `fail`, which also knows of a part still under way.
      _removeFile: (_req, _file, done) => done(null),
    };
    const parse = multer({
      storage: engine,
      limits: { files: 1, fields: 0, parts: 2, fieldNameSize: 100, headerPairs: 20 },
      preservePath: true,
      defParamCharset: 'utf8',
    }).single(field);
    // Broken framing can end the request before multer calls back.
    parse(req, res, (error: unknown) => {
      if (error) fail(error);
      else if (receiving) receiving.then((made) => unless(seen, made)).then(resolve, reject);
      else fail(new AppError('VALIDATION_FAILED', { details: [{ path: field, message: missing(req, field) }] }));
    });
  });
  return reading.finally(() => clearTimeout(deadline));
}

/** What was made, unless that what it was made of is refused. */
async function unless<T extends Undoable>(refused: () => Promise<void>, made: T): Promise<T> {
  try {
    await refused();
    return made;
  } catch (error) {
    await made.abort();
    throw error;
  }
}

/** The whole body has come: from here on the silence on the connection is ours, until the answer is sent. */
export function waitPatiently({ socket }: Request, res: Response): void {
  const { timeout = 0 } = socket;
  socket.setTimeout(0);
  // Before node:http's own listener, which sets the time of a connection without a request.
  res.prependOnceListener('finish', () => socket.setTimeout(timeout));
}

function tookTooLong(deadlineMs: number): AppError {
  const message = `took too long: the whole form has to come within ${deadlineMs / 1000} s`;
  return new AppError('VALIDATION_FAILED', { details: [{ path: 'body', message }] });
}

function missing(req: Request, field: string): string {
  return req.is('multipart') ? 'is required' : `send multipart/form-data with the file in the field "${field}"`;
}

function toFormError(error: unknown, field: string): unknown {
  if (error instanceof AppError) return error;
  if (error instanceof MulterError) {
    const { path, message } = FORM_FAULTS[error.code] ?? { message: error.message };
    return new AppError('VALIDATION_FAILED', {
      details: [{ path: path ?? error.field ?? field, message }],
      cause: error,
    });
  }
  // Busboy and multer throw plain errors for broken framing and cut connections; ours and the store's have names.
  if (error instanceof Error && error.name === 'Error') {
    return new AppError('VALIDATION_FAILED', {
      details: [{ path: 'body', message: 'is not well-formed multipart/form-data, or was cut off' }],
      cause: error,
    });
  }
  return error;
}

const FORM_FAULTS: Partial<Record<string, { readonly path?: string; readonly message: string }>> = {
  LIMIT_UNEXPECTED_FILE: { message: 'is not a known field, or holds more than one file' },
  LIMIT_FILE_COUNT: { message: 'only one file may be sent' },
  LIMIT_FIELD_COUNT: { path: 'body', message: 'holds a field that is not known; options go into the query' },
  LIMIT_PART_COUNT: { path: 'body', message: 'holds too many parts' },
};

interface FirstPart {
  /**
   * The length of its content, from Content-Length less what stands before and after it: everything up to the blank line
   * that ends the part's header, and the closing delimiter (RFC 2046 section 5.1.1). Right when the file is the form's only
   * part, and no other form is accepted; too much by the epilogue where there is one.
   */
  announcedBytes(): number | undefined;
  /** Its header says so itself. */
  isPlainText(): boolean;
}

/** Watches the request's bytes go by until the first part's header has been seen. */
function watchFirstPart(req: Request): FirstPart {
  const length = Number(req.headers['content-length']);
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(req.headers['content-type'] ?? '');
  const name = boundary?.[1] ?? boundary?.[2];
  if (name === undefined) return { announcedBytes: () => undefined, isPlainText: () => false };
  const delimiter = Buffer.from(`--${name}`, 'latin1');
  let seen: Buffer = Buffer.alloc(0);
  let headerEnd = -1;
  let isPlainText = false;
  const onData = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    headerEnd = endOfFirstHeader(seen, delimiter);
    if (headerEnd >= 0) isPlainText = PLAIN_TEXT.test(seen.toString('latin1', 0, headerEnd));
    if (headerEnd >= 0 || seen.length > MAX_FORM_HEAD_BYTES) {
      seen = Buffer.alloc(0);
      req.off('data', onData);
    }
  };
  req.on('data', onData);
  const closingBytes = delimiter.length + '\r\n--\r\n'.length;
  return {
    announcedBytes: () =>
      headerEnd < 0 || !Number.isSafeInteger(length) ? undefined : Math.max(0, length - headerEnd - closingBytes),
    isPlainText: () => isPlainText,
  };
}

/** Where the first part's content begins, behind the blank line that follows the first delimiter line; -1 unless seen. */
function endOfFirstHeader(form: Buffer, delimiter: Buffer): number {
  for (let at = form.indexOf(delimiter); at >= 0; at = form.indexOf(delimiter, at + 1)) {
    const end = at + delimiter.length;
    const opensLine = at === 0 || form.subarray(at - 2, at).equals(LINE_END);
    if (!opensLine || !form.subarray(end, end + 2).equals(LINE_END)) continue;
    const blank = form.indexOf('\r\n\r\n', end);
    return blank < 0 ? -1 : blank + 4;
  }
  return -1;
}
