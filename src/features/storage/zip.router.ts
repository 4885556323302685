import { create } from 'content-disposition';
import { sendContent } from '../../http/content.ts';
import { type Route, route } from '../../http/route.ts';
import { assertMay } from '../access/index.ts';
import { scopeOf } from '../ledger/index.ts';
import { UNREADABLE_ERRORS } from './send-file.router.ts';
import { zipBody } from './zip.schemas.ts';
import type { ZipService } from './zip.service.ts';

/** 1000 names of 1024 bytes, escaped as badly as JSON allows. */
const BODY_BYTES = 8 * 1024 * 1024;

/** `/storage/files/zip`: many files as one download. */
export function zipRoutes(zips: ZipService): Route[] {
  return [
    route({
      method: 'post',
      path: '/storage/files/zip',
      operationId: 'zipFiles',
      tag: 'Storage',
      summary: 'Download many files as a ZIP',
      description:
        'Streams a ZIP64 of up to 1000 named files, or of up to 100,000 below a prefix, which a key needs the permission `list` for as well. The contents are stored, not compressed. Names below a prefix begin at its folder; where unpackers could not bear a name, it is changed. Files that are deleted while the ZIP is made, and below a prefix those that may not be read, are named in `_missing.txt` at its end.',
      access: 'space:read',
      body: zipBody,
      bodyLimitBytes: BODY_BYTES,
      bodyExample: { fileNames: ['photos/2026/cat.jpg', 'photos/2026/dog.jpg'] },
      stream: {
        content: { 'application/zip': 'PK...' },
        statuses: { 200: 'The ZIP, of a length that is not known before' },
      },
      errors: ['FILE_NOT_FOUND', ...UNREADABLE_ERRORS, 'CONFLICT', 'BODY_TOO_LARGE', 'DEPENDENCY_UNAVAILABLE'],
      handler: async ({ principal, body: { selection, name }, context, stillMay, res }) => {
        if ('prefix' in selection) assertMay(principal, 'list');
        const guard = async () => {
          const now = await stillMay();
          if ('prefix' in selection) assertMay(now, 'list');
        };
        const holder = principal.kind === 'key' ? `key:${principal.apiKeyId}` : `user:${principal.userId}`;
        const zip = await zips.open(scopeOf(principal, context), selection, { name, guard, holder });
        res.setHeader('Content-Type', 'application/zip');
        res.setHeader('Content-Disposition', create(zip.name, { type: 'attachment' }));
        await sendContent(res, zip.body);
        return undefined;
      },
    }),
  ];
}
