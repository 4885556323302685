import { join } from 'node:path';
import { z } from 'zod';
import type { MediaKind } from '../media-kinds.ts';

/** What the parent asks of a child, once in its life. The content is in the folder, as `contentPath` says. */
export interface ChildTask {
  readonly kind: MediaKind;
  /** The child's own folder; goes with it. */
  readonly folder: string;
  readonly sizeBytes: number;
  readonly maxPixels: number;
  readonly memoryBytes: number;
  /** For video and audio. */
  readonly ffmpeg: { readonly ffmpeg: string; readonly ffprobe: string; readonly demuxer: string } | null;
}

/** The file descriptor by which both speak, a line of JSON at a time; its end is the parent's. */
export const CHANNEL_FD = 3;

/** Of all that a child says. */
export const MAX_SAID_BYTES = 64 * 1024;

/** Said when all that decodes has been loaded, so that what comes after is the file's doing. */
export const READY = 'ready';

const name = z.enum(['small', 'medium', 'large']);
const edge = z.int().min(1).max(1024);
const thumbnail = z.strictObject({ size: name, width: edge, height: edge });
const refusal = z.enum(['too_large', 'too_many_pixels', 'broken', 'timeout', 'memory', 'unsupported']);

/** What a child may answer; its decoder may have been taken over, so that nothing else is believed. */
export const childAnswer = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('done'), metadata: z.unknown(), thumbnails: z.array(thumbnail).max(3) }),
  z.strictObject({ state: z.literal('refused'), code: refusal, reason: z.string().max(300) }),
  /** The machine's fault: no room, no such program. */
  z.strictObject({ state: z.literal('failed'), reason: z.string().max(1000) }),
]);
export type ChildAnswer = z.infer<typeof childAnswer>;
export type Thumbnail = z.infer<typeof thumbnail>;

/** Where the content lies. */
export function contentPath(folder: string): string {
  return join(folder, 'content');
}

/** Where a thumbnail is put. */
export function thumbnailPath(folder: string, size: Thumbnail['size']): string {
  return join(folder, `${size}.webp`);
}
