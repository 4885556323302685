import { DetailedError, Upload, type UploadOptions } from 'tus-js-client';

/** What a finished upload by tus-js-client tells. */
export interface FinishedTus {
  readonly url: string;
  readonly fileId: string | undefined;
  /** Requests that failed and were made up for. */
  readonly retries: number;
}

export interface TusJsOptions {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fileName: string;
  readonly chunkSize?: number;
  readonly uploadUrl?: string;
  readonly uploadSize?: number;
  readonly creationBrings?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly onProgress?: (sentBytes: number) => void;
  readonly onUrl?: (url: string) => void;
  readonly retryDelays?: readonly number[];
}

/** Uploads by tus-js-client, which goes on by itself after what may pass; rejects with its error. */
export function uploadByTusJs(source: Buffer | NodeJS.ReadableStream, options: TusJsOptions): Promise<FinishedTus> {
  return new Promise((resolve, reject) => {
    let retries = 0;
    const settings: UploadOptions = {
      endpoint: options.endpoint,
      headers: { ...options.headers },
      metadata: { filename: options.fileName, ...options.metadata },
      retryDelays: [...(options.retryDelays ?? Array.from({ length: 40 }, () => 100))],
      uploadDataDuringCreation: options.creationBrings ?? false,
      ...(options.chunkSize === undefined ? {} : { chunkSize: options.chunkSize }),
      ...(options.uploadUrl === undefined ? {} : { uploadUrl: options.uploadUrl }),
      ...(options.uploadSize === undefined ? {} : { uploadSize: options.uploadSize }),
      onProgress: (sent) => options.onProgress?.(sent),
      onUploadUrlAvailable: () => options.onUrl?.(upload.url ?? ''),
      onShouldRetry: (error) => {
        retries += 1;
        const status = error.originalResponse?.getStatus() ?? 0;
        return status === 0 || status >= 500 || [409, 423].includes(status);
      },
      onError: reject,
      onSuccess: ({ lastResponse }) =>
        resolve({ url: upload.url ?? '', fileId: lastResponse.getHeader('x-file-id'), retries }),
    };
    const upload = new Upload(source as Buffer, settings);
    upload.start();
  });
}

/** The status of the answer that ended an upload by tus-js-client. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof DetailedError ? error.originalResponse?.getStatus() : undefined;
}
