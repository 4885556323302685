import { z } from 'zod';
import { pagingQuery } from '../../http/paging.ts';
import { singleLine } from '../../http/text-fields.ts';
import { fileNameFault, normalizeFileName } from '../ingest/index.ts';
import { CONFLICT_POLICIES } from '../ledger/index.ts';
import { EXAMPLE_FILE, fileSchema, uploadQuery as storageUploadQuery, tagArray } from '../storage/index.ts';

const EXAMPLE_FOLDER_ID = '019aa2f4-5b1a-7a3c-8f00-3b1c2d3e4f51';
const EXAMPLE_FILE_ID = EXAMPLE_FILE.id;

/** The name of a file or folder: one segment of a path. */
const segment = z
  .string()
  .transform(normalizeFileName)
  .superRefine((name, context) => {
    const fault = name.includes('/') ? 'must not contain "/"' : fileNameFault(name);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });

const fileName = segment.meta({ description: 'One segment, without `/`', example: 'cat.jpg' });
const folderName = segment.meta({ description: 'One segment, without `/`', example: '2026' });

/** Ids of the wrong form are looked up like those that name nothing: both are not found. */
const folderId = z.string();

function conflict(standard: (typeof CONFLICT_POLICIES)[number]) {
  return z.enum(CONFLICT_POLICIES).default(standard).meta({
    description: 'When the name is taken: replace that file, keep both (`name (1).ext`), or fail with 409',
    example: 'keepBoth',
  });
}

function hasField(body: object): boolean {
  return Object.values(body).some((value) => value !== undefined);
}

export const folderParams = z.object({
  folderId: folderId.meta({ description: 'Id of the folder', example: EXAMPLE_FOLDER_ID }),
});

export const fileParams = z.object({
  id: z.string().meta({ description: 'Id of the file', example: EXAMPLE_FILE_ID }),
});

export const folderBody = z.strictObject({
  name: folderName,
  parentId: folderId
    .optional()
    .meta({ description: 'Directly in the own drive unless told', example: EXAMPLE_FOLDER_ID }),
});

export const changeFolderBody = z
  .strictObject({
    name: folderName.optional(),
    parentId: folderId
      .nullable()
      .optional()
      .meta({ description: 'The folder that it goes into; null: directly in the drive', example: EXAMPLE_FOLDER_ID }),
  })
  .refine(hasField, 'give name, parentId or both');

export const levelQuery = z.object({
  ...pagingQuery,
  sort: z
    .enum(['name', 'date', 'size'])
    .default('name')
    .meta({ description: 'By what; folders, which have no size, then come by name', example: 'date' }),
  order: z.enum(['asc', 'desc']).default('asc').meta({ description: 'Which way', example: 'desc' }),
});

export const zipQuery = z.object({
  name: singleLine(1, 255)
    .optional()
    .meta({ description: 'Name of the ZIP; the folder’s unless told', example: 'summer.zip' }),
});

export const uploadQuery = z.object({
  folderId: folderId
    .optional()
    .meta({ description: 'Directly into the own drive unless told', example: EXAMPLE_FOLDER_ID }),
  fileName: fileName.optional(),
  conflict: storageUploadQuery.shape.conflict,
  tags: storageUploadQuery.shape.tags,
  reservationId: storageUploadQuery.shape.reservationId,
});

export const contentQuery = z.object({ tags: storageUploadQuery.shape.tags });

export const changeFileBody = z
  .strictObject({
    name: fileName.optional(),
    folderId: folderId
      .nullable()
      .optional()
      .meta({ description: 'The folder that it goes into; null: directly in the drive', example: EXAMPLE_FOLDER_ID }),
    tags: tagArray.optional(),
    conflict: conflict('fail'),
  })
  .refine(({ conflict: _, ...fields }) => hasField(fields), 'give at least one of name, folderId and tags');

export const copyBody = z.strictObject({
  folderId: folderId
    .nullable()
    .optional()
    .meta({ description: 'Beside the file unless told; null: directly in the drive', example: EXAMPLE_FOLDER_ID }),
  name: fileName.optional(),
  conflict: conflict('keepBoth'),
});

export const folder = z
  .object({
    id: z.uuid(),
    name: z.string(),
    path: z.string().meta({ description: 'From the drive on; of what others share, from the shared folder on' }),
    parentId: z.uuid().nullable().meta({ description: 'null directly in the drive, and for what is shared itself' }),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Folder' });

export const driveFile = fileSchema
  .extend({
    name: z.string().meta({ description: 'The last segment of `fileName`' }),
    folderId: z.uuid().nullable().meta({ description: 'null directly in the drive, and for what is shared itself' }),
  })
  .meta({ id: 'DriveFile' });

export const levelData = z.object({
  folder: folder.nullable().meta({ description: 'null: the drive itself' }),
  path: z
    .array(z.object({ id: z.uuid(), name: z.string() }))
    .meta({ description: 'The folders down to this one; of what others share, from the shared folder on' }),
  folders: z.array(folder),
  files: z.array(driveFile),
});

export const deletedFolderData = z.object({
  folderId: z.uuid(),
  files: z.number().int(),
  sizeFreed: z.number().int(),
  deletedAt: z.iso.datetime(),
});

export const deletedFileData = z.object({
  id: z.uuid(),
  fileName: z.string(),
  sizeFreed: z.number().int(),
  trashed: z.boolean(),
  deletedAt: z.iso.datetime(),
});

export const EXAMPLE_FOLDER = {
  id: EXAMPLE_FOLDER_ID,
  name: '2026',
  path: 'photos/2026',
  parentId: '019aa2f4-5b1a-7a3c-8f00-3b1c2d3e4f50',
  createdAt: '2026-11-21T09:00:00.000Z',
};

export const EXAMPLE_DRIVE_FILE = { ...EXAMPLE_FILE, name: 'cat.jpg', folderId: EXAMPLE_FOLDER_ID };

export const EXAMPLE_LEVEL = {
  folder: EXAMPLE_FOLDER,
  path: [
    { id: EXAMPLE_FOLDER.parentId, name: 'photos' },
    { id: EXAMPLE_FOLDER_ID, name: '2026' },
  ],
  folders: [
    {
      ...EXAMPLE_FOLDER,
      id: '019aa2f4-5b1a-7a3c-8f00-3b1c2d3e4f52',
      name: 'raw',
      path: 'photos/2026/raw',
      parentId: EXAMPLE_FOLDER_ID,
    },
  ],
  files: [EXAMPLE_DRIVE_FILE],
};
