import type { Sealer } from './seal.ts';

/** A value that is sealed to lie in a job's payload. */
export interface SealedJson {
  /** Base64. */
  readonly sealed: string;
  readonly keyVersion: number;
}

/** `context` names what the value is for: sealed for one thing, it does not open as another. */
export function sealJson(sealer: Sealer, value: object, context: string): SealedJson {
  const { bytes, keyVersion } = sealer.seal(JSON.stringify(value), context);
  return { sealed: bytes.toString('base64'), keyVersion };
}

/** What was sealed, to be held against its schema. Throws when it was sealed under another key or for something else. */
export function openJson(sealer: Sealer, { sealed, keyVersion }: SealedJson, context: string): unknown {
  return JSON.parse(sealer.open({ bytes: Buffer.from(sealed, 'base64'), keyVersion }, context));
}

/** Whether a value has the form of a sealed one. */
export function isSealedJson(value: object | null): boolean {
  return value !== null && 'sealed' in value && 'keyVersion' in value;
}
