import type { Page } from './key-request.ts';

/** Cuts a page from entries of which one more than the limit was read. */
export function toPage<T extends { readonly id: string }>(entries: readonly T[], limit: number): Page<T> {
  const shown = entries.slice(0, limit);
  return { entries: shown, nextCursor: entries.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
