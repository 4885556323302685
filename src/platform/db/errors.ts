/** What a failed statement means to its caller. */
export type DatabaseFault = 'unavailable' | 'full' | 'unique' | 'other';

const UNAVAILABLE_SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
const UNAVAILABLE_PRISMA = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037']);
const UNAVAILABLE_TEXT =
  /connection terminated|query read timeout|timeout exceeded when trying to connect|server closed the connection|client has encountered a connection error|can't reach database server/i;

/**
 * Classifies an error of the database, through Prisma or not, by SQLSTATE (PostgreSQL appendix A), Prisma's or the
 * socket's code. `null`: not a database error that is known here.
 */
export function databaseFault(error: unknown): DatabaseFault | null {
  for (const layer of layers(error)) {
    const code = codeOf(layer);
    if (code !== null) {
      if (code === '23505' || code === 'P2002') return 'unique';
      if (code === '53100') return 'full';
      // 08 connection, 57P shutdown or crash, 57014 statement timeout, 53 resources, 40 rolled back for another's sake
      if (/^(08...|57P0.|57014|53...|40...)$/.test(code)) return 'unavailable';
      if (UNAVAILABLE_SOCKET.has(code) || UNAVAILABLE_PRISMA.has(code)) return 'unavailable';
      // Prisma's codes look like SQLSTATEs; what it wraps says more.
      if (/^(?!P\d{4}$)[0-9A-Z]{5}$/.test(code)) return 'other';
    }
    if (layer instanceof Error && UNAVAILABLE_TEXT.test(layer.message)) return 'unavailable';
  }
  return null;
}

/** True for a violated unique index; `hint`, where given, must occur in the index's name or columns. */
export function isUniqueViolation(error: unknown, hint?: string): boolean {
  if (databaseFault(error) !== 'unique') return false;
  return hint === undefined || layers(error).some((layer) => JSON.stringify(describe(layer)).includes(hint));
}

/** Whether a statement failed with this SQLSTATE, such as those that our own functions raise. */
export function hasSqlState(error: unknown, state: string): boolean {
  return layers(error).some((layer) => codeOf(layer) === state);
}

function describe(layer: unknown): unknown {
  if (typeof layer !== 'object' || layer === null) return layer;
  return { ...layer, message: layer instanceof Error ? layer.message : undefined };
}

function layers(error: unknown): unknown[] {
  const found: unknown[] = [];
  let layer: unknown = error;
  while (layer !== undefined && layer !== null && found.length < 6) {
    found.push(layer);
    layer = wrappedBy(layer);
  }
  return found;
}

/** What a layer wraps: its cause or, for Prisma's raw queries (P2010), what the driver adapter threw. */
function wrappedBy(layer: unknown): unknown {
  if (typeof layer !== 'object' || layer === null) return undefined;
  if ('cause' in layer && layer.cause !== undefined) return layer.cause;
  const { meta } = layer as { meta?: { driverAdapterError?: unknown } };
  return meta?.driverAdapterError;
}

function codeOf(layer: unknown): string | null {
  if (typeof layer !== 'object' || layer === null) return null;
  if ('originalCode' in layer && typeof layer.originalCode === 'string') return layer.originalCode;
  return 'code' in layer && typeof layer.code === 'string' ? layer.code : null;
}
