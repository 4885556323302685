import { z } from 'zod';
import { givesExactlyOne } from '../../http/exactly-one.ts';
import { moment } from '../../http/moment.ts';
import { idPagingQuery } from '../../http/paging.ts';
import { newPassword } from '../auth/index.ts';

const GIB = 1024 ** 3;
/** Of a drop that does not say. */
const DEFAULT_DROP = { maxUploadBytes: GIB, maxUploadFiles: 100 };
const MAX_DOWNLOADS = 1_000_000_000;
const MAX_DROP_BYTES = 2 ** 50;
const MAX_DROP_FILES = 1_000_000;

const count = (most: number) => z.number().int().min(1).max(most);

export const linkSchema = z
  .object({
    id: z.uuid(),
    fileId: z.uuid().nullable(),
    folderId: z.uuid().nullable(),
    name: z.string().meta({ description: 'Of the file or folder, without the folders it lies in' }),
    hasPassword: z.boolean(),
    expiresAt: z.iso.datetime().nullable(),
    maxDownloads: z.number().int().nullable(),
    downloads: z.number().int().meta({ description: 'Downloads that have begun; a ZIP is one' }),
    allowUpload: z.boolean().meta({ description: 'A drop: it takes files and shows none' }),
    maxUploadBytes: z.number().int().nullable(),
    maxUploadFiles: z.number().int().nullable(),
    uploadedFiles: z.number().int().nullable().meta({
      description: 'Of a drop, those under way too; null where it is none, or has ended',
    }),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().nullable().meta({ description: 'Last download or drop' }),
  })
  .meta({ id: 'ShareLink', description: 'A public link; never its token.' });

export const linkExample = {
  id: '019aa3f4-1c2d-7b8e-8f90-5a6b7c8d9e0f',
  fileId: null,
  folderId: '019aa3f1-2b3c-7d4e-9f50-6a7b8c9d0e1f',
  name: 'holiday photos',
  hasPassword: true,
  expiresAt: '2026-12-24T18:00:00.000Z',
  maxDownloads: 20,
  downloads: 3,
  allowUpload: false,
  maxUploadBytes: null,
  maxUploadFiles: null,
  uploadedFiles: null,
  createdAt: '2026-11-21T09:20:00.000Z',
  lastUsedAt: '2026-11-21T12:00:00.000Z',
} satisfies z.input<typeof linkSchema>;

const TOKEN_EXAMPLE = 'Nf3qkX0c8bVt2yJwLr5mZsQe7uHgDpAi1oTxYvK9R4E';

/** Names a file or folder; what has not the form of an id names nothing. */
const subjectId = z.string().max(100);

export const createBody = z
  .strictObject({
    fileId: subjectId.optional().meta({ description: 'The file, or', example: linkExample.folderId }),
    folderId: subjectId.optional().meta({ description: 'the folder; one of the two', example: linkExample.folderId }),
    expiresAt: moment
      .optional()
      .meta({ description: 'When it ends; never unless told', example: linkExample.expiresAt }),
    password: newPassword.optional(),
    maxDownloads: count(MAX_DOWNLOADS)
      .optional()
      .meta({ description: 'Downloads that it gives, each file or ZIP one', example: 20 }),
    allowUpload: z.boolean().default(false).meta({ description: 'Makes a drop of a folder', example: false }),
    maxUploadBytes: count(MAX_DROP_BYTES)
      .optional()
      .meta({ description: 'Bytes that a drop takes altogether, held in the quota at once; 1 GiB unless told' }),
    maxUploadFiles: count(MAX_DROP_FILES)
      .optional()
      .meta({ description: 'Files that a drop takes altogether, held likewise; 100 unless told' }),
  })
  .superRefine((wish, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    givesExactlyOne(wish, ['fileId', 'folderId'], context);
    if (wish.allowUpload && wish.fileId !== undefined) fault('allowUpload', 'only a folder takes files');
    if (wish.allowUpload && wish.maxDownloads !== undefined) fault('maxDownloads', 'a drop gives no downloads');
    for (const name of ['maxUploadBytes', 'maxUploadFiles'] as const) {
      if (!wish.allowUpload && wish[name] !== undefined) fault(name, 'goes with allowUpload');
    }
  })
  .transform(({ fileId, folderId, expiresAt, password, allowUpload, ...wish }) => {
    const { maxUploadBytes = DEFAULT_DROP.maxUploadBytes, maxUploadFiles = DEFAULT_DROP.maxUploadFiles } = wish;
    return {
      subject:
        fileId === undefined
          ? { kind: 'folder' as const, folderId: folderId ?? '' }
          : { kind: 'file' as const, fileId },
      expiresAt: expiresAt ?? null,
      password: password ?? null,
      maxDownloads: wish.maxDownloads ?? null,
      drop: allowUpload ? { maxBytes: maxUploadBytes, maxFiles: maxUploadFiles } : null,
    };
  });

export const createExample = {
  folderId: linkExample.folderId,
  expiresAt: linkExample.expiresAt,
  password: 'correct horse battery',
  maxDownloads: 20,
};

export const createdData = z.object({
  link: linkSchema,
  url: z.url().meta({ description: 'For people and programs; shown this once' }),
  token: z.string().meta({ description: 'The last part of the URL' }),
});

export const createdExample = {
  link: { ...linkExample, downloads: 0, lastUsedAt: null },
  url: `https://files.example.com/s/${TOKEN_EXAMPLE}`,
  token: TOKEN_EXAMPLE,
};

export const listQuery = z.object({
  fileId: subjectId.optional().meta({ description: 'Only those of this file', example: linkExample.folderId }),
  folderId: subjectId.optional().meta({ description: 'Only those of this folder', example: linkExample.folderId }),
  ...idPagingQuery,
});

export const linksData = z.object({ links: z.array(linkSchema) });
export const linkData = z.object({ link: linkSchema });

export const idParams = z.object({ id: z.string().meta({ description: 'The link’s id', example: linkExample.id }) });

/** The token of a link as it stands in a path. */
export const tokenParams = z.object({
  token: z.string().meta({ description: 'What was shown when the link was made', example: TOKEN_EXAMPLE }),
});

/** What only the answer to its making holds of a link. */
export const keptToken = z.object({ token: z.string() });
