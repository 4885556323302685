/** Why a try failed, as it is kept with the job: never a stack. */
export interface JobFailure {
  readonly name: string;
  /** At most 1000 characters; null where the payload is sealed, as a message may quote what that is sealed for. */
  readonly message: string | null;
  readonly code: string | null;
}

const MAX_NAME = 100;
const MAX_MESSAGE = 1000;

/** What of a thrown value is kept; of a job whose payload is sealed, name and code only. Takes anything, never throws. */
export function describeFailure(thrown: unknown, isSealed: boolean): JobFailure {
  const { name, message, code } = parts(thrown);
  return { name: cut(name, MAX_NAME), message: isSealed ? null : message && cut(message, MAX_MESSAGE), code };
}

function parts(thrown: unknown): JobFailure {
  // Getters of what was thrown may throw themselves.
  try {
    if (thrown instanceof Error) {
      return { name: String(thrown.name), message: String(thrown.message), code: codeOf(thrown) };
    }
    return { name: typeof thrown, message: typeof thrown === 'string' ? thrown : null, code: null };
  } catch {
    return { name: typeof thrown, message: null, code: null };
  }
}

/** Of the socket, the database or, by number, the mail server. */
function codeOf(error: Error): string | null {
  const code = 'responseCode' in error ? error.responseCode : 'code' in error ? error.code : undefined;
  return typeof code === 'string' || typeof code === 'number' ? cut(String(code), MAX_NAME) : null;
}

/** Reads what lies with a job: written by `describeFailure`, by a version before it, or by pg-boss (a time that ran out). */
export function readFailure(output: unknown): JobFailure | null {
  if (output === null || output === undefined) return null;
  if (typeof output === 'string') return { name: 'Error', message: cut(output, MAX_MESSAGE), code: null };
  if (typeof output !== 'object') return { name: 'Error', message: null, code: null };
  if ('value' in output) return readFailure(output.value) ?? { name: 'Error', message: null, code: null };
  return {
    name: cut(text(output, 'name') ?? 'Error', MAX_NAME),
    message: cut(text(output, 'message') ?? '', MAX_MESSAGE) || null,
    code: text(output, 'code'),
  };
}

function text(output: object, field: string): string | null {
  const value = (output as Readonly<Record<string, unknown>>)[field];
  return typeof value === 'string' ? value : null;
}

/** JSON in PostgreSQL takes no NUL and no half characters. */
function cut(value: string, length: number): string {
  return value.slice(0, length).toWellFormed().replaceAll('\0', '\uFFFD');
}
