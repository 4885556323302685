import { GetObjectCommand, PutObjectCommand, type S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Clock } from '../clock/clock.ts';
import type { PresignedRequest, PresignGetOptions, PresignPartOptions, PresignPutOptions } from './object-store.ts';

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
    const { sizeBytes, contentType } = options;
    const input = { Bucket: this.#bucket, Key: key, ContentLength: sizeBytes, ContentType: contentType };
    const headers = { 'content-length': String(sizeBytes), 'content-type': contentType };
    const command = new PutObjectCommand(input);
    return this.#presign('PUT', headers, options, (signing) => getSignedUrl(this.#signer, command, signing));
  }

  part(key: string, options: PresignPartOptions): Promise<PresignedRequest> {
    const { uploadId, partNumber, sizeBytes } = options;
    const input = { Bucket: this.#bucket, Key: key, UploadId: uploadId, PartNumber: partNumber };
    const command = new UploadPartCommand({ ...input, ContentLength: sizeBytes });
    const headers = { 'content-length': String(sizeBytes) };
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
    });
    return { method, url, headers, expiresAt: new Date(signingDate.getTime() + expiresInSeconds * 1000) };
  }
}
