import mime from 'mime-types';
import type { SeenKind } from '../../platform/sniffing/seen.ts';
import { lastSegment } from './file-name.ts';

const MARKUP: readonly SeenKind[] = ['html', 'svg', 'xml', 'php', 'script'];
const PROGRAMS: readonly SeenKind[] = ['pe', 'elf', 'mach-o', 'java-class', 'dex', 'wasm', 'shortcut'];
const PACKED: readonly SeenKind[] = ['gzip', 'bzip2', 'xz', 'zstd', 'tar'];
const TEXTUAL: readonly SeenKind[] = [...MARKUP, 'rtf', 'postscript'];

/**
 * What a type says of the bytes: they are one of these kinds, or none of those; null: nothing. `must`: they show it, because
 * all that is of the type begins so.
 */
type Claim =
  | { readonly only: readonly SeenKind[]; readonly must: boolean }
  | { readonly never: readonly SeenKind[] }
  | null;

const only = (...kinds: SeenKind[]): Claim => ({ only: kinds, must: false });
const must = (...kinds: SeenKind[]): Claim => ({ only: kinds, must: true });
const isText = only(...MARKUP, 'rtf');
/** Where every kind of a family cannot be told, it is at least none of these. */
const isHarmless: Claim = { never: [...MARKUP, ...PROGRAMS] };

/** The first that matches counts. Aliases and families stand together: what one program calls by one name, another calls by another. */
const CLAIMS: readonly (readonly [RegExp, Claim])[] = [
  [/^application\/octet-stream$/, null],
  [/\bsvg\b/, only(...MARKUP, 'gzip')],
  [/\+xml$/, isText],
  [/^image\/(p?jpe?g)$/, must('jpeg')],
  [/^image\/(x-|a|vnd\.mozilla\.a)?png$/, must('png')],
  [/^image\/gif$/, must('gif')],
  [/^image\/webp$/, must('webp')],
  [/^image\/(x-)?(ms-)?bmp$/, must('bmp')],
  [/^image\/(x-icon|vnd\.microsoft\.icon)$/, only('ico', 'png', 'gif', 'bmp')],
  [
    /^image\/(tiff(-fx)?|x-(adobe-dng|nikon-nef|canon-cr2|sony-arw|olympus-orf|panasonic-rw2|fujifilm-raf))$/,
    must('tiff'),
  ],
  [/^image\/(hei[cf]|avif|avc[is])(-sequence)?$|^image\/x-canon-cr3$/, must('isobmff')],
  [/^image\/(vnd\.adobe\.photoshop|x-psd)$|^application\/(x-)?photoshop$/, must('psd')],
  [/^image\/jp[2mx]$/, must('jp2')],
  [/^image\/jxl$/, must('jxl')],
  [/^audio\/(mpeg|mp3|x-mp3|x-mpeg)$/, only('id3', 'mpeg-ps')],
  [/^audio\/(mp4|x-m4[abp])$/, must('isobmff', 'id3')],
  [/^audio\/(x-)?(aacp?|adts)$/, only('id3', 'isobmff')],
  [/^(audio|video|application)\/(x-)?ogg$|^audio\/(opus|vorbis|speex)$/, must('ogg')],
  [/^audio\/(x-)?flac$/, must('flac', 'id3', 'ogg')],
  [/^audio\/(x-|vnd\.)?(pn-)?wave?$/, must('wav', 'id3')],
  [/^audio\/(x-)?aiff$/, must('aiff', 'id3')],
  [/^audio\/(x-)?midi?$/, must('midi')],
  [/^(audio|video)\/(webm|(x-)?matroska(-3d)?)$/, must('matroska')],
  [
    /^video\/(mp4|quicktime|x-m4v|3gpp2?|iso\.segment|x-f4v|mj2)$|^audio\/3gpp2?$|^application\/mp4$/,
    must('isobmff', 'jp2'),
  ],
  [/^video\/(x-msvideo|vnd\.avi|avi|msvideo)$/, must('avi')],
  [/^video\/(x-)?mpeg$|^video\/x-ms-vob$/, only('mpeg-ps', 'mpeg-ts', 'id3')],
  // TypeScript has the ending of a transport stream.
  [/^video\/(mp2t|vnd\.dlna\.mpeg-tts)$/, only('mpeg-ts', ...MARKUP)],
  [/^video\/x-flv$/, must('flv')],
  [/^(audio|video)\/x-ms-(asf|wm[av]?)$|^application\/vnd\.ms-asf$/, must('asf')],
  // Playlists of broadcasters are text, and XML.
  [/^(audio|video)\/(x-mpegurl|vnd\.mpegurl|x-ms-w[avm]x|x-scpls)$/, null],
  [/^(image|audio|video)\//, isHarmless],
  [/^(font|application)\/(x-)?(font-)?woff2?$/, must('font')],
  [
    /^font\/|^application\/(x-)?font-|^application\/(vnd\.ms-opentype|x-font-)/,
    { never: [...MARKUP, ...PROGRAMS, 'zip', 'pdf', 'jpeg', 'png', 'gif'] },
  ],
  [/^application\/(x-)?pdf$/, must('pdf')],
  // Illustrator's documents are PDF or PostScript.
  [/^application\/(postscript|illustrator|eps|x-eps)$/, only('postscript', 'pdf')],
  [/^(application|text)\/(x-)?rtf$/, only('rtf')],
  [/flat-xml$/, only(...MARKUP)],
  // Office: the new container, the old one round it where it is encrypted, and RTF.
  [/^application\/vnd\.(openxmlformats|oasis\.)|\.macroenabled\.12$/, must('zip', 'ole', 'rtf')],
  // Its old types stand for all that it opens: the new containers, RTF, pages and tables in XML, plain tables.
  [
    /^application\/(msword|vnd\.ms-(excel|powerpoint|word|project|works|outlook|visio)|vnd\.visio)/,
    only('ole', 'zip', 'rtf', 'html', 'xml'),
  ],
  [/^application\/(x-cb[7artz]|vnd\.comicbook(\+zip|-rar))$/, only('zip', 'rar', '7z', 'tar', 'pdf')],
  // Drawings are packed as one file, too.
  [/^model\/[\w.-]+\+zip$/, must('zip', 'gzip')],
  // Runnable archives may have a launcher before them.
  [/^application\/(x-)?java-archive$/, must('zip', 'script')],
  [
    /^application\/(zip|x-zip(-compressed)?|vnd\.android\.package-archive)$|^(application|model|image)\/[\w.-]+\+zip\b/,
    must('zip'),
  ],
  [/^application\/(x-)?(gzip|tgz|bzip2?|xz|zstd|compressed-tar)$/, must(...PACKED)],
  [/^application\/(x-)?g?tar$/, only(...PACKED)],
  // What Windows says of whatever its archiver opens.
  [/^application\/(x-)?compressed$/, only(...PACKED, 'zip', '7z', 'rar', 'cab')],
  [/^application\/(x-7z-compressed)$/, must('7z')],
  [/^application\/(vnd\.rar|x-rar(-compressed)?)$/, must('rar')],
  [
    /^application\/x-(msdownload|msdos-program|dosexec|msi|executable|elf|mach-binary|sharedlib)$|^application\/vnd\.microsoft\.portable-executable$/,
    only(...PROGRAMS, 'ole', 'script'),
  ],
  [
    /^application\/(json|xml|javascript|x-javascript|ecmascript|typescript|x-(sh|csh|shellscript|httpd-php|perl|python(-code)?|yaml|sql|tex|latex|ndjson|subrip)|sql|toml|yaml|graphql|xhtml\+xml)$|\+(xml|json|yaml)$/,
    isText,
  ],
  [/^text\//, isText],
];

/** Endings that stand for two things, of which the table of types knows one, or that carry anything. */
const UNCLEAR = new Set(
  'ts mts ai com bat cmd key pages numbers dat bin cer crt pub pot dot mod m4s asx ram odc'.split(' '),
);

/** What the table does not know. */
const MORE = new Map([
  ['tgz', 'application/gzip'],
  ['tbz2', 'application/x-bzip2'],
  ['txz', 'application/x-xz'],
  ['zst', 'application/zstd'],
]);

/** The type that the name's ending stands for, or null. */
export function typeOfEnding(path: string): string | null {
  const name = lastSegment(path);
  const dot = name.lastIndexOf('.');
  if (dot < 0) return null;
  const ending = name.slice(dot + 1).toLowerCase();
  return UNCLEAR.has(ending) ? null : (MORE.get(ending) ?? mime.types[ending] ?? null);
}

/** The type without parameters, in lower case. */
export function essenceOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

/** Whether a type says anything of the bytes. */
export function claimsSomething(type: string | null): boolean {
  return type !== null && claimOf(type) !== null;
}

/** Whether bytes of this kind may go by this type. */
export function isPossible(kind: SeenKind, type: string): boolean {
  const claim = claimOf(type);
  if (claim === null) return true;
  return 'only' in claim ? claim.only.includes(kind) : !claim.never.includes(kind);
}

/** The kinds of which bytes that go by this type show one; null: there need be nothing to see. */
export function mustShow(type: string): readonly SeenKind[] | null {
  const claim = claimOf(type);
  return claim !== null && 'only' in claim && claim.must ? claim.only : null;
}

/** Whether the type itself speaks of bytes of this kind, and does not just not exclude them. */
export function speaksOf(kind: SeenKind, type: string): boolean {
  const claim = claimOf(type);
  return claim !== null && 'only' in claim && claim.only.includes(kind);
}

/** Whether a type is one of texts; `null` claims nothing and may be. */
export function mayBeText(type: string): boolean {
  const claim = claimOf(type);
  return claim === null || 'never' in claim || claim.only.some((kind) => TEXTUAL.includes(kind));
}

/** Whether bytes of this kind do nothing by themselves, whatever opens them. */
export function isInert(kind: SeenKind): boolean {
  return !MARKUP.includes(kind) && !PROGRAMS.includes(kind);
}

function claimOf(type: string): Claim {
  return CLAIMS.find(([pattern]) => pattern.test(type))?.[1] ?? null;
}
