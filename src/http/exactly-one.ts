import type { z } from 'zod';

/**
 * Whether of two fields exactly one is given; names the field at fault where not, which a union of two schemas could not.
 */
export function givesExactlyOne<Name extends string>(
  body: Readonly<Partial<Record<Name, unknown>>>,
  [one, other]: readonly [Name, Name],
  context: z.RefinementCtx,
): boolean {
  if ((body[one] === undefined) !== (body[other] === undefined)) return true;
  const path = body[other] === undefined ? one : other;
  context.addIssue({ code: 'custom', path: [path], message: `give either ${one} or ${other}` });
  return false;
}
