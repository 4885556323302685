import { open } from 'node:fs/promises';
import { PDFiumDocument, PDFiumLibrary } from '@hyzyla/pdfium';
import { openSharp } from '../../images/sharp.ts';
import { MediaRefusedError } from '../errors.ts';
import { THUMBNAIL_EDGES } from '../thumbnail-sizes.ts';
import { type ChildTask, contentPath } from './protocol.ts';
import { writeThumbnails } from './thumbnails.ts';

const MAX_PDF_BYTES = 96 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** FPDF_GetLastError. */
const PASSWORD_ERRORS: readonly number[] = [4, 5];
/** PDF's own limit is 14,400 points; more is a claim. */
const MAX_PAGE_POINTS = 100_000;
const MAX_TEXT_BYTES = 2048;

type Pdfium = PDFiumLibrary['module'];
/** Exported by the WASM module, and not declared. */
type MetaText = (document: number, tag: number, buffer: number, length: number) => number;

/** Draws a PDF's first page and reads its page count, title and author. Without forms and scripts. */
export async function loadPdfDecoder() {
  const pdfium = (await PDFiumLibrary.init())['module'];
  // Everything comes from raw pixels: no decoder is needed.
  const sharp = await openSharp([], 'File');
  return async ({ folder, sizeBytes }: ChildTask) => {
    if (sizeBytes > MAX_PDF_BYTES) throw new MediaRefusedError('too_large', 'the PDF is larger than 96 MiB');
    const id = await openDocument(pdfium, contentPath(folder), sizeBytes);
    const document = new PDFiumDocument({ module: pdfium, documentIdx: id, documentPtr: 0 });
    const pages = document.getPageCount();
    if (pages < 1) throw new MediaRefusedError('broken', 'the PDF has no page');
    const page = document.getPage(0);
    const { originalWidth: width, originalHeight: height } = page.getOriginalSize();
    if (!(width > 0 && height > 0)) throw new MediaRefusedError('broken', 'the first page of the PDF cannot be read');
    if (Math.max(width, height) > MAX_PAGE_POINTS)
      throw new MediaRefusedError('too_many_pixels', 'the first page of the PDF is too large');
    const metadata = { format: 'pdf', pages, width, height, ...textsOf(pdfium, id) };
    const scale = THUMBNAIL_EDGES.large / Math.max(width, height);
    const [drawnWidth, drawnHeight] = [width, height].map((points) => Math.max(1, Math.floor(points * scale + 1e-6)));
    const size = { width: drawnWidth ?? 1, height: drawnHeight ?? 1 };
    const drawn = await page.render({ ...size, scale: 1, render: 'bitmap', renderFormFields: false });
    const picture = sharp(drawn.data, { raw: { ...size, channels: 4 } });
    return { metadata, thumbnails: await writeThumbnails(picture.removeAlpha(), folder) };
  };
}

/** As the library's `loadDocument` does, without a second copy of the file in memory, and with the reason told by number. */
async function openDocument(pdfium: Pdfium, path: string, sizeBytes: number): Promise<number> {
  const start = pdfium.wasmExports.malloc(sizeBytes);
  if (start === 0) throw new MediaRefusedError('memory', 'the file takes too much memory');
  await using file = await open(path);
  const bytes = Buffer.alloc(READ_BYTES);
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead } = await file.read(bytes, 0, Math.min(READ_BYTES, sizeBytes - at), at);
    if (bytesRead === 0) break;
    pdfium.HEAPU8.set(bytes.subarray(0, bytesRead), start + at);
    at += bytesRead;
  }
  const id = pdfium._FPDF_LoadMemDocument(start, sizeBytes, 0);
  if (id !== 0) return id;
  if (PASSWORD_ERRORS.includes(pdfium._FPDF_GetLastError()))
    throw new MediaRefusedError('unsupported', 'the PDF is protected by a password');
  throw new MediaRefusedError('broken', 'the file is no PDF, or a broken one');
}

function textsOf(pdfium: Pdfium, document: number) {
  return { title: textOf(pdfium, document, 'Title'), author: textOf(pdfium, document, 'Author') };
}

/** UTF-16LE with a zero behind it; the length counts it too. */
function textOf(pdfium: Pdfium, document: number, tag: string): string | undefined {
  const getMetaText = (pdfium as unknown as { readonly _FPDF_GetMetaText: MetaText })._FPDF_GetMetaText;
  const name = pdfium.wasmExports.malloc(tag.length + 1);
  pdfium.HEAPU8.set(Buffer.from(`${tag}\0`, 'latin1'), name);
  const length = getMetaText(document, name, 0, 0);
  if (length < 4 || length > 1024 * MAX_TEXT_BYTES) return undefined;
  const text = pdfium.wasmExports.malloc(length);
  if (text === 0) return undefined;
  getMetaText(document, name, text, length);
  return Buffer.from(pdfium.HEAPU8.slice(text, text + Math.min(length - 2, MAX_TEXT_BYTES))).toString('utf16le');
}
