import { z } from 'zod';
import type { Sealer } from '../../platform/crypto/seal.ts';
import { openJson, type SealedJson, sealJson } from '../../platform/crypto/sealed-json.ts';

/** A mail, sealed: it may hold a one-time code, of which the database otherwise keeps only a hash. */
export type SealedMail = SealedJson;

/** What the sealed text of a mail job is bound to. */
const CONTEXT = 'mail';

const letter = z.object({
  to: z.string(),
  subject: z.string(),
  text: z.string(),
  html: z.string(),
  writtenAt: z.iso.datetime(),
  /** Not worth sending after this time, as a code that has expired. */
  usefulUntil: z.iso.datetime().nullable(),
});

/** A mail as it stands in the queue, times ISO 8601. */
export type Letter = z.output<typeof letter>;

export function sealLetter(sealer: Sealer, content: Letter): SealedMail {
  return sealJson(sealer, content, CONTEXT);
}

/** Throws when it was sealed under another key. */
export function openLetter(sealer: Sealer, mail: SealedMail): Letter {
  return letter.parse(openJson(sealer, mail, CONTEXT));
}
