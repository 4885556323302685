/** API.md's `file`. */
export interface FileView {
  readonly id: string;
  readonly fileName: string;
  readonly size: number;
  readonly contentType: string;
  readonly category: string;
  readonly extension: string;
  readonly checksumSha256: string;
  readonly etag: string;
  readonly status: string;
  readonly tags: readonly string[];
  readonly uploadedAt: string;
  readonly lastModified: string;
}

/** API.md's `usage`. */
export interface UsageView {
  readonly bytesUsed: number;
  readonly objects: number;
  readonly bytesReserved: number;
}

/** API.md's answer to `GET /storage/usage`. */
export interface QuotaUsageView {
  readonly usage: UsageView;
  readonly quota: {
    readonly maxBytes: number;
    readonly maxObjects: number;
    readonly canUpload: boolean;
    readonly quotaExceeded: boolean;
  };
}

/** API.md's failure. */
export interface FailureView {
  readonly code: string;
  readonly details: unknown;
  readonly httpStatusCode: number;
  readonly requestId: string;
}

interface Envelope<Data> {
  readonly success: boolean;
  readonly message: string;
  readonly data?: Data;
  readonly meta?: Readonly<Record<string, unknown>> | null;
  readonly error?: FailureView;
}

/** One answer of the API, read whole. */
export class Answer<Data> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;

  constructor(status: number, headers: Headers, text: string) {
    this.status = status;
    this.headers = headers;
    this.text = text;
  }

  get body(): Envelope<Data> {
    return JSON.parse(this.text);
  }

  /** Of a success; an error with the whole answer when it is none. */
  get data(): Data {
    const { success, data } = this.body;
    if (!success || data === undefined || this.status >= 400) throw new Error(`${this.status} ${this.text}`);
    return data;
  }

  get meta(): Readonly<Record<string, unknown>> {
    return this.body.meta ?? {};
  }

  /** Of a failure; an error with the whole answer when it is none. */
  get error(): FailureView {
    const { success, error } = this.body;
    if (success || !error) throw new Error(`not a failure: ${this.status} ${this.text}`);
    return error;
  }

  /** Status and code in short, as `413 QUOTA_EXCEEDED` or `201`; for lists of outcomes. */
  get outcome(): string {
    return this.status < 400 ? String(this.status) : `${this.status} ${this.error.code}`;
  }
}

/** Query parameters; absent ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: RequestInit['body'];
}

export interface UploadOptions {
  readonly conflict?: 'replace' | 'keepBoth' | 'fail';
  readonly tags?: string;
  /** Content-Type of the part. */
  readonly type?: string;
}

export interface BulkDeletion {
  readonly deleted: readonly { readonly fileName: string; readonly sizeFreed: number }[];
  readonly failed: readonly { readonly fileName: string; readonly reason: string }[];
  readonly summary: {
    readonly requested: number;
    readonly deleted: number;
    readonly failed: number;
    readonly sizeFreed: number;
  };
}

/** A page of a listing. */
export interface FilePageView {
  readonly files: readonly FileView[];
  readonly folders?: readonly string[];
}

/** Speaks to `/api` of one service with one set of credentials, by fetch. */
export class ApiClient {
  readonly baseUrl: string;
  readonly credentials: Readonly<Record<string, string>>;

  constructor(baseUrl: string, credentials: Readonly<Record<string, string>> = {}) {
    this.baseUrl = baseUrl;
    this.credentials = credentials;
  }

  /** The same credentials at another service, or after a restart. */
  at(baseUrl: string): ApiClient {
    return new ApiClient(baseUrl, this.credentials);
  }

  /** The response itself, its body not yet read. `path` is below `/api`. */
  fetch(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const url = new URL(`${this.baseUrl}/api${path}`);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const json = options.json === undefined ? {} : { body: JSON.stringify(options.json) };
    const type: Record<string, string> = options.json === undefined ? {} : { 'content-type': 'application/json' };
    return fetch(url, {
      method,
      headers: { ...this.credentials, ...type, ...options.headers },
      redirect: 'manual',
      ...json,
      ...(options.body === undefined ? {} : { body: options.body }),
      // Needed for streams, harmless for the rest.
      duplex: 'half',
    });
  }

  async request<Data>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<Data>> {
    const response = await this.fetch(method, path, options);
    return new Answer<Data>(response.status, response.headers, await response.text());
  }

  get<Data>(path: string, query: Query = {}): Promise<Answer<Data>> {
    return this.request('GET', path, { query });
  }

  post<Data>(path: string, json: unknown = {}): Promise<Answer<Data>> {
    return this.request('POST', path, { json });
  }

  /** Uploads under exactly this name (`?fileName=`). */
  upload(
    fileName: string,
    content: string | Uint8Array<ArrayBuffer>,
    { type = 'application/octet-stream', conflict, tags }: UploadOptions = {},
  ): Promise<Answer<{ file: FileView; usage: UsageView }>> {
    const body = new FormData();
    body.set('file', new Blob([content], { type }), 'part.bin');
    return this.request('POST', '/storage/upload', { query: { fileName, conflict, tags }, body });
  }

  list(query: Query = {}): Promise<Answer<FilePageView>> {
    return this.get('/storage/files', query);
  }

  /** All pages of a listing, one after another. */
  async listAll(
    query: Query = {},
  ): Promise<{ readonly files: FileView[]; readonly folders: string[]; readonly pages: number }> {
    const files: FileView[] = [];
    const folders: string[] = [];
    let pages = 0;
    for (let cursor: string | undefined; ; ) {
      const page = await this.list({ ...query, cursor });
      files.push(...page.data.files);
      folders.push(...(page.data.folders ?? []));
      pages += 1;
      const { nextCursor } = page.meta;
      if (typeof nextCursor !== 'string') return { files, folders, pages };
      cursor = nextCursor;
    }
  }

  async usage(): Promise<QuotaUsageView> {
    return (await this.get<QuotaUsageView>('/storage/usage')).data;
  }

  metadata(fileName: string): Promise<Answer<{ file: FileView }>> {
    return this.get(`${pathOf(fileName)}/metadata`);
  }

  content(fileName: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Response> {
    return this.fetch(method, `${pathOf(fileName)}/content`, { headers });
  }

  async bytes(fileName: string): Promise<Buffer> {
    const response = await this.content(fileName);
    if (response.status !== 200) throw new Error(`${fileName}: ${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  link(
    fileName: string,
    query: Query = {},
  ): Promise<Answer<{ fileName: string; downloadUrl: string; expiresIn: number }>> {
    return this.get(pathOf(fileName), query);
  }

  delete(fileName: string): Promise<Answer<{ fileName: string; sizeFreed: number; deletedAt: string }>> {
    return this.request('DELETE', pathOf(fileName));
  }

  bulkDelete(
    what: { fileNames: readonly string[] } | { prefix: string },
  ): Promise<Answer<BulkDeletion & { jobId?: string }>> {
    return this.post('/storage/files/bulk-delete', what);
  }
}

/** A file's path below `/api`: its whole name is one segment. */
export function pathOf(fileName: string): string {
  return `/storage/files/${encodeURIComponent(fileName)}`;
}
