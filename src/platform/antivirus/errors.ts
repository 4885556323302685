/** The virus scanner cannot be asked, or gives no verdict: nothing is known of the content. */
export class AntivirusUnavailableError extends Error {
  override readonly name = 'AntivirusUnavailableError';
}
