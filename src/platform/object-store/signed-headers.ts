const SHA256_HEX = /^[0-9a-f]{64}$/;

/** What a presigned PUT fixes of its request; its URL is signed with the headers that say so. */
export interface SignedBody {
  readonly sizeBytes: number;
  /** Absent or null where any will do, as for parts. */
  readonly contentType?: string | null | undefined;
  /** Hex; `TypeError` when it is none. */
  readonly sha256?: string | null | undefined;
  readonly createOnly?: boolean | undefined;
}

/** The headers of a presigned PUT, the same for both stores: those of S3. The client must send them exactly so. */
export function signedHeaders(body: SignedBody): Readonly<Record<string, string>> {
  const { sizeBytes, contentType, sha256, createOnly } = body;
  return {
    'content-length': String(sizeBytes),
    ...(isGiven(contentType) ? { 'content-type': contentType } : {}),
    ...(isGiven(sha256) ? { 'x-amz-checksum-sha256': toBase64(sha256) } : {}),
    ...(createOnly ? { 'if-none-match': '*' } : {}),
  };
}

function isGiven(value: string | null | undefined): value is string {
  return value !== undefined && value !== null;
}

function toBase64(sha256: string): string {
  if (!SHA256_HEX.test(sha256)) throw new TypeError('a SHA-256 is 64 hexadecimal digits in small letters');
  return Buffer.from(sha256, 'hex').toString('base64');
}
