import { z } from 'zod';
import { givesExactlyOne } from '../../http/exactly-one.ts';
import { moment } from '../../http/moment.ts';
import { idPagingQuery, pageMeta } from '../../http/paging.ts';
import { emailField, username } from '../auth/index.ts';
import { userExample } from '../users/index.ts';
import { SHARE_PERMISSIONS } from './share.ts';

export { pageMeta };

const permission = z
  .enum(SHARE_PERMISSIONS)
  .meta({ description: 'VIEW reads and lists, EDIT changes and uploads as well', example: 'VIEW' });

const subjectSchema = {
  id: z.uuid(),
  fileId: z.uuid().nullable(),
  folderId: z.uuid().nullable(),
  name: z.string().meta({ description: 'Of the file or folder, without the folders it lies in' }),
};

export const shareSchema = z
  .object({
    ...subjectSchema,
    email: z.string().nullable().meta({ description: 'As it was given, whether anybody has it or not' }),
    username: z.string().nullable(),
    permission,
    expiresAt: z.iso.datetime().nullable(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Share', description: 'A file or folder of the own drive that is shared with somebody.' });

export const receivedShareSchema = z
  .object({
    ...subjectSchema,
    owner: z.object({ name: z.string().nullable(), username: z.string().nullable(), email: z.string() }),
    permission,
    expiresAt: z.iso.datetime().nullable(),
    sharedAt: z.iso.datetime(),
  })
  .meta({ id: 'ReceivedShare', description: 'A file or folder that somebody else shares.' });

export const shareExample = {
  id: '019aa3f5-3d4e-7f5a-8b6c-7d8e9f0a1b2c',
  fileId: null,
  folderId: '019aa3f1-2b3c-7d4e-9f50-6a7b8c9d0e1f',
  name: 'holiday photos',
  email: 'grace@example.com',
  username: null,
  permission: 'VIEW',
  expiresAt: '2026-12-24T18:00:00.000Z',
  createdAt: '2026-11-21T09:20:00.000Z',
} satisfies z.input<typeof shareSchema>;

export const receivedShareExample = {
  id: shareExample.id,
  fileId: null,
  folderId: shareExample.folderId,
  name: 'holiday photos',
  owner: { name: userExample.name, username: userExample.username, email: userExample.email },
  permission: 'VIEW',
  expiresAt: shareExample.expiresAt,
  sharedAt: shareExample.createdAt,
} satisfies z.input<typeof receivedShareSchema>;

/** Names a file or folder; what has not the form of an id names nothing. */
const subjectId = z.string().max(100);

export const createShareBody = z
  .strictObject({
    fileId: subjectId.optional().meta({ description: 'The file, or', example: shareExample.folderId }),
    folderId: subjectId.optional().meta({ description: 'the folder; one of the two', example: shareExample.folderId }),
    email: emailField.optional().meta({ description: 'Whose, or', example: shareExample.email }),
    username: username.optional().meta({ description: 'whose username; one of the two', example: 'grace' }),
    permission,
    expiresAt: moment
      .optional()
      .meta({ description: 'When it ends; never unless told', example: shareExample.expiresAt }),
  })
  .superRefine((body, context) => {
    givesExactlyOne(body, ['fileId', 'folderId'], context);
    givesExactlyOne(body, ['email', 'username'], context);
  })
  .transform(({ fileId, folderId = '', email, username: name = '', expiresAt = null, ...rest }) => ({
    ...rest,
    subject: fileId === undefined ? { folderId } : { fileId },
    address: email === undefined ? { username: name } : { email: email.normalize('NFC') },
    expiresAt,
  }));

export const createShareExample = {
  folderId: shareExample.folderId,
  email: shareExample.email,
  permission: 'VIEW',
  expiresAt: shareExample.expiresAt,
};

export const changeShareBody = z
  .strictObject({
    permission: permission.optional(),
    expiresAt: moment
      .nullable()
      .optional()
      .meta({ description: 'When it ends; null: never', example: shareExample.expiresAt }),
  })
  .refine((change) => change.permission !== undefined || change.expiresAt !== undefined, {
    message: 'permission or expiresAt must be given',
    path: ['permission'],
  });

export const changeShareExample = { permission: 'EDIT' };

export const listSharesQuery = z
  .object({
    fileId: subjectId.optional().meta({ description: 'Only those of this file', example: shareExample.folderId }),
    folderId: subjectId.optional().meta({ description: 'Only those of this folder', example: shareExample.folderId }),
    ...idPagingQuery,
  })
  .refine(({ fileId, folderId }) => fileId === undefined || folderId === undefined, {
    message: 'give either fileId or folderId',
    path: ['fileId'],
  });

export const pageQuery = z.object(idPagingQuery);

export const shareIdParams = z.object({
  id: z.string().meta({ description: 'The share’s id', example: shareExample.id }),
});
export const receivedIdParams = z.object({
  shareId: z.string().meta({ description: 'The share’s id', example: shareExample.id }),
});

export const shareData = z.object({ share: shareSchema });
export const sharesData = z.object({ shares: z.array(shareSchema) });
export const receivedSharesData = z.object({ shares: z.array(receivedShareSchema) });
