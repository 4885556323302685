/**
 * Why nothing is made of a file: `unsupported` is its kind's fault (a codec, a password, no ffmpeg here), the rest its own.
 * `memory` and `timeout` are what a bomb ends with; `too_large` is its bytes, `too_many_pixels` what its header claims.
 */
export type MediaRefusal = 'too_large' | 'too_many_pixels' | 'broken' | 'timeout' | 'memory' | 'unsupported';

/** Nothing can be made of this file, now or later. `reason` is for people and holds nothing of the file. */
export class MediaRefusedError extends Error {
  override readonly name = 'MediaRefusedError';
  readonly code: MediaRefusal;
  readonly reason: string;
  constructor(code: MediaRefusal, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.code = code;
    this.reason = reason;
  }
}
