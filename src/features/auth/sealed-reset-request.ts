import { z } from 'zod';
import type { Sealer } from '../../platform/crypto/seal.ts';
import { openJson, type SealedJson, sealJson } from '../../platform/crypto/sealed-json.ts';

/** A request for a reset code, sealed: it holds an e-mail address, which may be nobody's here. */
export type SealedResetRequest = SealedJson;

/** What the sealed text of such a job is bound to. */
const CONTEXT = 'password-reset';

const request = z.object({
  email: z.string(),
  requestedAt: z.iso.datetime().transform((text) => new Date(text)),
  origin: z.object({ ip: z.string().nullable(), userAgent: z.string().nullable(), requestId: z.string().nullable() }),
});

/** Who forgot a password, when it was said, and from where. */
export type ResetRequest = z.output<typeof request>;

export function sealResetRequest(sealer: Sealer, { email, requestedAt, origin }: ResetRequest): SealedResetRequest {
  const { ip, userAgent, requestId } = origin;
  return sealJson(sealer, { email, requestedAt, origin: { ip, userAgent, requestId } }, CONTEXT);
}

/** Throws when it was sealed under another key. */
export function openResetRequest(sealer: Sealer, sealed: SealedResetRequest): ResetRequest {
  return request.parse(openJson(sealer, sealed, CONTEXT));
}
