import mime from 'mime-types';
import { extensionOf } from './file-name.ts';

/** Groups that listings and analytics go by. */
export const CATEGORIES = ['image', 'video', 'audio', 'document', 'archive', 'code', 'other'] as const;
export type Category = (typeof CATEGORIES)[number];

const OCTET_STREAM = 'application/octet-stream';
/** type "/" subtype and parameters, RFC 9110 section 8.3.1. */
const MEDIA_TYPE =
  /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+:/-]+|"[ !#-[\]-~]*"))*$/;

const DOCUMENT =
  /^(application\/(pdf|rtf|msword|epub\+zip|vnd\.(ms-(excel|powerpoint)|openxmlformats-officedocument|oasis\.opendocument)[\w.+-]*)|text\/(plain|csv|markdown|rtf))$/;
const ARCHIVE =
  /^application\/(zip|gzip|x-(7z-compressed|tar|gtar|bzip2?|xz|rar(-compressed)?|compress|lzip|zstd)|vnd\.rar|java-archive|zstd)$/;
const CODE =
  /^(text\/(html|css|javascript|x-[\w-]+|xml)|application\/(json|xml|javascript|typescript|x-(sh|httpd-php|python-code|perl|yaml|sql)|sql|toml|yaml|wasm|graphql))$/;
const CODE_EXTENSIONS = new Set(
  'c cc cpp cs css go h hpp html java js json jsx kt lua mjs php pl py rb rs scala sh sql swift toml ts tsx vue xml yaml yml'.split(
    ' ',
  ),
);

/** The type that the client gave where it says something, else the one that the name's ending stands for. */
export function contentTypeOf(fileName: string, given: string | undefined): string {
  const trimmed = given?.trim() ?? '';
  if (trimmed.length <= 255 && MEDIA_TYPE.test(trimmed) && !trimmed.toLowerCase().startsWith(OCTET_STREAM))
    return trimmed;
  // Of a name without an ending, `lookup` would take the whole for one.
  const extension = extensionOf(fileName);
  return (extension !== '' && mime.lookup(extension)) || OCTET_STREAM;
}

/** The category of a file by its type and, for source code, the name's ending. */
export function categoryOf(fileName: string, contentType: string): Category {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (CODE_EXTENSIONS.has(extensionOf(fileName).toLowerCase())) return 'code';
  if (type.startsWith('image/')) return 'image';
  if (type.startsWith('video/')) return 'video';
  if (type.startsWith('audio/')) return 'audio';
  if (DOCUMENT.test(type)) return 'document';
  if (ARCHIVE.test(type)) return 'archive';
  return CODE.test(type) ? 'code' : 'other';
}
