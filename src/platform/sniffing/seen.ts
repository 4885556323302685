/** What begins text that programs act upon. */
export type MarkupKind = 'html' | 'svg' | 'xml' | 'php' | 'script';

/** What machines run. */
export type ProgramKind = 'pe' | 'elf' | 'mach-o' | 'java-class' | 'dex' | 'wasm' | 'shortcut';

type PictureKind = 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp' | 'ico' | 'tiff' | 'psd' | 'jp2' | 'jxl';
type RecordingKind =
  | 'isobmff'
  | 'matroska'
  | 'avi'
  | 'wav'
  | 'flac'
  | 'ogg'
  | 'id3'
  | 'aiff'
  | 'midi'
  | 'asf'
  | 'flv'
  | 'mpeg-ps'
  | 'mpeg-ts';
type ContainerKind = 'zip' | 'ole' | 'rar' | '7z' | 'gzip' | 'bzip2' | 'xz' | 'zstd' | 'tar' | 'cab' | 'ar';
type DocumentKind = 'pdf' | 'postscript' | 'rtf' | 'font' | 'sqlite' | 'flash';

/** Families of formats that their first bytes tell for certain; what shares a container is one family. */
export type SeenKind = MarkupKind | ProgramKind | PictureKind | RecordingKind | ContainerKind | DocumentKind;

/** What a content is; `type` is its media type as far as those bytes tell. */
export interface Seen {
  readonly kind: SeenKind;
  readonly type: string;
}
