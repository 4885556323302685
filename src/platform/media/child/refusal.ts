import { type MediaRefusal, MediaRefusedError } from '../errors.ts';
import type { ChildAnswer } from './protocol.ts';

/** What libvips, pdfium and ffmpeg say, and what it means. */
const MEANINGS: readonly (readonly [RegExp, MediaRefusal, string])[] = [
  [/exceeds pixel limit/i, 'too_many_pixels', 'the image has too many pixels'],
  [/memory|alloc|invalid typed array length/i, 'memory', 'the file takes too much memory'],
  [/has not been built in|Unsupported (codec|feature)/i, 'unsupported', 'the format of the file cannot be read here'],
];

/** What a decoder failed with, as an answer. What the operating system refused is no fault of the file. */
export function answerOf(error: unknown): ChildAnswer {
  if (error instanceof MediaRefusedError) return { state: 'refused', code: error.code, reason: error.reason };
  if (!(error instanceof Error)) return { state: 'failed', reason: 'unknown' };
  if ('syscall' in error) return { state: 'failed', reason: error.message.slice(0, 1000) };
  const [, code, reason] = MEANINGS.find(([said]) => said.test(error.message)) ?? [];
  if (code !== undefined && reason !== undefined) return { state: 'refused', code, reason };
  return { state: 'refused', code: 'broken', reason: 'the file is broken or of another type than it says' };
}
