import { GetObjectCommand, PutObjectCommand, type S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Clock } from '../clock/clock.ts';
import type { PresignedRequest, PresignGetOptions, PresignPartOptions, PresignPutOptions } from './object-store.ts';
import { signedHeaders } from './signed-headers.ts';

function checksumInput(headers: Readonly<Record<string, string>>): { readonly ChecksumSHA256?: string } {
  const ChecksumSHA256 = headers['x-amz-checksum-sha256'];
  return ChecksumSHA256 === undefined ? {} : { ChecksumSHA256 };
}

type SigningOptions = NonNullable<Parameters<typeof getSignedUrl>[2]>;

/** Signs URLs of the store itself (SigV4 in the query) for one bucket, by its public endpoint. */
export class S3Presigner {
  readonly #signer: S3Client;
  readonly #bucket: string;
  readonly #clock: Clock;

  constructor(signer: S3Client, bucket: string, clock: Clock) {
    this.#signer = signer;
    this.#bucket = bucket;
    this.#clock = clock;
  }

  get(key: string, options: PresignGetOptions): Promise<PresignedRequest> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ResponseContentType: options.contentType,
      ...(options.contentDisposition === undefined ? {} : { ResponseContentDisposition: options.contentDisposition }),
    });
    return this.#presign('GET', {}, options, (signing) => getSignedUrl(this.#signer, command, signing));
  }

  put(key: string, options: PresignPutOptions): Promise<PresignedRequest> {
    const headers = signedHeaders(options);
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ContentLength: options.sizeBytes,
      ContentType: options.contentType,
      ...checksumInput(headers),
      ...(options.createOnly ? { IfNoneMatch: '*' } : {}),
    });
    return this.#presign('PUT', headers, options, (signing) => getSignedUrl(this.#signer, command, signing));
  }

  part(key: string, options: PresignPartOptions): Promise<PresignedRequest> {
    const { uploadId, partNumber, sizeBytes, sha256 } = options;
    const headers = signedHeaders({ sizeBytes, sha256 });
    const input = { Bucket: this.#bucket, Key: key, UploadId: uploadId, PartNumber: partNumber };
    const command = new UploadPartCommand({ ...input, ContentLength: sizeBytes, ...checksumInput(headers) });
    return this.#presign('PUT', headers, options, (signing) => getSignedUrl(this.#signer, command, signing));
  }

  async #presign(
    method: 'GET' | 'PUT',
    headers: Readonly<Record<string, string>>,
    { expiresInSeconds }: { readonly expiresInSeconds: number },
    sign: (options: SigningOptions) => Promise<string>,
  ): Promise<PresignedRequest> {
    const signingDate = this.#clock.now();
    const url = await sign({
      expiresIn: expiresInSeconds,
      signingDate,
      // The presigner leaves content-type out unless told.
      signableHeaders: new Set(['host', ...Object.keys(headers)]),
      // In the query a store may overlook it; AWS verifies the header.
      unhoistableHeaders: new Set(Object.keys(headers)),
    });
    return { method, url, headers, expiresAt: new Date(signingDate.getTime() + expiresInSeconds * 1000) };
  }
}
