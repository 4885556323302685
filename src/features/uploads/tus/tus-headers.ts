import { parseTusChecksum, type TusChecksum } from './tus-checksum.ts';
import { invalid } from './tus-faults.ts';
import { firstValue, parseTusMetadata } from './tus-metadata.ts';

/** Headers of a request, by their names in lower case. */
type Headers = Readonly<Record<string, string | string[] | undefined>>;

const NUMBER = /^(?:0|[1-9]\d{0,15})$/;

/** What a creation says of the file that is to come; options as texts, still to be checked. */
export interface CreationHeaders {
  readonly sizeBytes: number;
  readonly clientMetadata: string;
  readonly fileName: string;
  readonly contentType: string | undefined;
  readonly reservationId: string | undefined;
  readonly options: { readonly conflict: string | undefined; readonly tags: string | undefined };
}

/** Reads the headers of a creation. Errors: VALIDATION_FAILED. */
export function readCreation(headers: Headers): CreationHeaders {
  if (headers['upload-defer-length'] !== undefined) throw invalid('Upload-Defer-Length', 'is not offered');
  if (headers['upload-concat'] !== undefined) throw invalid('Upload-Concat', 'is not offered');
  const sizeBytes = readNumber(headers, 'Upload-Length');
  const clientMetadata = single(headers['upload-metadata']);
  if (clientMetadata === undefined) throw invalid('Upload-Metadata', 'is required: it names the file');
  const metadata = parseTusMetadata(clientMetadata);
  if (typeof metadata === 'string') throw invalid('Upload-Metadata', metadata);
  const fileName = firstValue(metadata, ['filename', 'fileName', 'name']);
  if (fileName === undefined) throw invalid('Upload-Metadata.filename', 'is required');
  const contentType = firstValue(metadata, ['filetype', 'contentType', 'type']);
  const reservationId = firstValue(metadata, ['reservationId']);
  const options = { conflict: firstValue(metadata, ['conflict']), tags: firstValue(metadata, ['tags']) };
  return { sizeBytes, clientMetadata, fileName, contentType, reservationId, options };
}

/** `Upload-Length` or `Upload-Offset`. Errors: VALIDATION_FAILED. */
export function readNumber(headers: Headers, name: 'Upload-Length' | 'Upload-Offset'): number {
  const value = single(headers[name.toLowerCase()]);
  if (value === undefined) throw invalid(name, 'is required');
  const number = NUMBER.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw invalid(name, 'must be a whole number of bytes');
  return number;
}

/** Errors: VALIDATION_FAILED. */
export function readChecksum(headers: Headers): TusChecksum | null {
  const value = single(headers['upload-checksum']);
  if (value === undefined) return null;
  const checksum = parseTusChecksum(value);
  if (typeof checksum === 'string') throw invalid('Upload-Checksum', checksum);
  return checksum;
}

/** Whether the body is what tus sends; parameters of the type mean nothing. */
export function isOffsetStream(headers: Headers): boolean {
  const type = single(headers['content-type']);
  return type?.split(';', 1)[0]?.trim().toLowerCase() === 'application/offset+octet-stream';
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
