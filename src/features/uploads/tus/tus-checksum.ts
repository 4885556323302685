/** What `Upload-Checksum` may name, and node's name for it; tus asks for sha1 at the least. */
const ALGORITHMS: ReadonlyMap<string, { readonly bytes: number }> = new Map([
  ['sha1', { bytes: 20 }],
  ['sha256', { bytes: 32 }],
  ['sha512', { bytes: 64 }],
  ['md5', { bytes: 16 }],
]);

/** Value of `Tus-Checksum-Algorithm`. */
export const CHECKSUM_ALGORITHMS = [...ALGORITHMS.keys()].join(',');

/** What a client says that the bytes of one request add up to. */
export interface TusChecksum {
  readonly algorithm: string;
  readonly digest: Buffer;
}

/** Reads `Upload-Checksum` (tus 1.0, checksum); a text says what is wrong with it. */
export function parseTusChecksum(header: string): TusChecksum | string {
  const [algorithm = '', value = '', more] = header.split(' ');
  const known = ALGORITHMS.get(algorithm);
  if (!known) return `must name one of ${CHECKSUM_ALGORITHMS}`;
  const digest = Buffer.from(value, 'base64');
  if (more !== undefined || digest.length !== known.bytes || digest.toString('base64') !== value) {
    return `must hold the ${known.bytes} bytes of ${algorithm} in Base64`;
  }
  return { algorithm, digest };
}
