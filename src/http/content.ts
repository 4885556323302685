import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/**
 * Streams stored content after status and headers are set, or ends the response where there is no body to send.
 * Whatever the content is, it must not act in this origin (DESIGN.md: HTML and SVG are user input here).
 */
export async function sendContent(
  res: Response,
  body: Readable | undefined,
  cacheControl = 'private, no-cache',
): Promise<void> {
  res.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  res.setHeader('Cache-Control', cacheControl);
  if (!body) {
    res.end();
    return;
  }
  try {
    await pipeline(body, res);
  } catch (error) {
    // A client that stops reading is its own affair; a store that breaks off is ours.
    if (!body.errored || res.req.destroyed) return;
    throw error;
  }
}
