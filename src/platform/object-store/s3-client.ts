import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_SOCKETS = 256;
const MAX_ATTEMPTS = 3;

/** Which S3, and how to speak with it. */
export interface S3ConnectionOptions {
  readonly region: string;
  /** URL of the store; AWS's own when absent. */
  readonly endpoint?: string | undefined;
  /** URL by which clients reach the store, for presigned URLs; `endpoint` when absent. */
  readonly publicEndpoint?: string | undefined;
  readonly forcePathStyle: boolean;
  /** `when_required` for stores that know no checksum trailers (Ceph RGW 16, older MinIO): streamed puts fail there. */
  readonly checksums: 'when_supported' | 'when_required';
  /** The SDK's own chain (environment, files, instance role) when absent. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** A connection on which nothing moves for so long is given up; 60,000 unless told. */
  readonly idleTimeoutMs?: number | undefined;
}

/** The clients of one store; `close` ends their connections. */
export interface S3Clients {
  /** For all calls but reading content. */
  readonly main: S3Client;
  /** For reading content: watches no idle socket, since a reader who pauses makes one; see `guardBody`. */
  readonly reader: S3Client;
  /** Only signs, for the public endpoint. */
  readonly signer: S3Client;
  /** Only signs, for the endpoint that this process itself uses: clients may reach another that it does not. */
  readonly ownSigner: S3Client;
  readonly idleTimeoutMs: number;
  close(): void;
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Clients that share one pool of at most 256 kept-alive connections. */
export function createS3Clients(options: S3ConnectionOptions): S3Clients {
  const idleTimeoutMs = options.idleTimeoutMs ?? 60_000;
  const httpAgent = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  const httpsAgent = new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  const create = (socketTimeout: number, overrides: S3ClientConfig = {}): S3Client =>
    new S3Client({
      region: options.region,
      forcePathStyle: options.forcePathStyle,
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
      ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
      requestChecksumCalculation: options.checksums === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
      responseChecksumValidation: options.checksums === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
      maxAttempts: MAX_ATTEMPTS,
      // The SDK writes to the console otherwise; what goes wrong is in the errors.
      logger: silent,
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout, httpAgent, httpsAgent },
      ...overrides,
    });
  const main = create(idleTimeoutMs);
  const reader = create(0);
  // The checksum of a body that is not there would be signed otherwise, and no client's body has it.
  const signing = { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' } as const;
  const ownSigner = create(idleTimeoutMs, signing);
  const signer =
    options.publicEndpoint === undefined
      ? ownSigner
      : create(idleTimeoutMs, { ...signing, endpoint: options.publicEndpoint });
  return {
    main,
    reader,
    signer,
    ownSigner,
    idleTimeoutMs,
    close: () => {
      for (const client of [main, reader, signer, ownSigner]) client.destroy();
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}
