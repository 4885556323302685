import { z } from 'zod';
import { pagingQuery } from '../../http/paging.ts';
import { typedPassword } from '../auth/index.ts';

const path = z
  .string()
  .max(8192)
  .default('')
  .meta({ description: 'Below what is shared, as the listing names it; none for itself', example: '2026/beach' });

export const listingQuery = z.object({ path, ...pagingQuery });
export const pathQuery = z.object({ path });

export const unlockBody = z.strictObject({ password: typedPassword });
export const unlockExample = { password: 'correct horse battery' };
export const unlockData = z.object({
  expiresAt: z.iso
    .datetime()
    .nullable()
    .meta({ description: 'Until when the cookie opens the link; null where it asks for no password' }),
});

const entry = z.object({
  name: z.string(),
  path: z.string().meta({ description: 'For `path`; below what is shared' }),
});

export const listingData = z.object({
  link: z.object({
    type: z.enum(['file', 'folder', 'drop']).meta({ description: 'A drop takes files and shows none' }),
    name: z.string(),
    path: z.string().meta({ description: 'Of this folder; empty for what is shared itself' }),
    expiresAt: z.iso.datetime().nullable(),
    downloadsLeft: z.number().int().nullable().meta({ description: 'null: without a limit' }),
    maxUploadBytes: z.number().int().nullable().meta({ description: 'What a drop takes altogether' }),
    maxUploadFiles: z.number().int().nullable(),
  }),
  folders: z.array(entry),
  files: z.array(entry.extend({ size: z.number().int(), contentType: z.string(), lastModified: z.iso.datetime() })),
});

export const listingExample = {
  link: {
    type: 'folder',
    name: 'holiday photos',
    path: '',
    expiresAt: '2026-12-24T18:00:00.000Z',
    downloadsLeft: 17,
    maxUploadBytes: null,
    maxUploadFiles: null,
  },
  folders: [{ name: '2026', path: '2026' }],
  files: [
    {
      name: 'beach.jpg',
      path: 'beach.jpg',
      size: 48213,
      contentType: 'image/jpeg',
      lastModified: '2026-11-21T09:05:00.000Z',
    },
  ],
} satisfies z.input<typeof listingData>;

export const droppedData = z.object({ file: z.object({ name: z.string(), size: z.number().int() }) });
export const droppedExample = { file: { name: 'contract.pdf', size: 48213 } };
