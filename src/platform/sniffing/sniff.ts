import { fileTypeFromBuffer } from 'file-type';
import type { Seen, SeenKind } from './seen.ts';
import { mayBe, signatureOf } from './signatures.ts';
import { isText, markupOf } from './text-head.ts';

/** How much of a content is looked at. */
export const SNIFF_BYTES = 4096;

/**
 * What a content certainly is by its first bytes, else null: for text, and for what is not known. Bytes that could as well
 * be text count as nothing else, however they begin; magics of two or three bytes count with the header behind them only.
 * Synchronous, some microseconds; looks at `SNIFF_BYTES` at the most.
 */
export function sniff(content: Buffer): Seen | null {
  const head = content.subarray(0, SNIFF_BYTES);
  return markupOf(head) ?? signatureOf(head);
}

/** Whether a content of which `sniff` has seen nothing bears a mark of one of these kinds, if one that is no proof. */
export function isMarked(content: Buffer, kinds: readonly SeenKind[]): boolean {
  const head = content.subarray(0, SNIFF_BYTES);
  return kinds.some((kind) => mayBe(kind, head));
}

/** The type that a content goes by of which `sniff` has seen nothing. */
export function typeOfUnseen(content: Buffer): 'text/plain' | 'application/octet-stream' {
  return isText(content.subarray(0, SNIFF_BYTES)) ? 'text/plain' : 'application/octet-stream';
}

/** The same with the most exact type that the head gives away: of a ZIP that it is a DOCX, of an MP4 that it is a HEIC. */
export async function refine(seen: Seen, content: Buffer): Promise<Seen> {
  if (!['zip', 'isobmff', 'ogg', 'matroska', 'tiff', 'ole', 'asf'].includes(seen.kind)) return seen;
  try {
    // It unpacks parts of a ZIP, within limits of its own.
    const found = await fileTypeFromBuffer(content.subarray(0, SNIFF_BYTES));
    return found ? { kind: seen.kind, type: found.mime.split(';')[0] ?? seen.type } : seen;
  } catch {
    return seen;
  }
}
