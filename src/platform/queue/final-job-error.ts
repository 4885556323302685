/** What a handler throws where no further try can end otherwise: the job moves to the dead letters at once. */
export class FinalJobError extends Error {
  override readonly name = 'FinalJobError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
