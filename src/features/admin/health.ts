/** What a check says of the thing that it asked: up, or away (silent for too long, or failing). */
export interface Checked<Details> {
  readonly status: 'up' | 'down';
  /** How long the answer took, or until it was given up. */
  readonly latencyMs: number;
  /** null when it is down. */
  readonly details: Details | null;
}

/** What the database says of itself. */
export interface DatabaseDetails {
  /** Connections to this database, of all processes and whoever else. */
  readonly connections: number;
  readonly maxConnections: number;
  readonly migrations: {
    readonly applied: number;
    /** Begun and not finished: one that failed, or that is being applied just now. */
    readonly unfinished: number;
    readonly latest: string | null;
  };
}

/** Counts of rows and sums of counters, each block of one moment. Bytes of all spaces may pass 2^53: then rounded. */
export interface Statistics {
  readonly users: {
    readonly total: number;
    readonly verified: number;
    readonly unverified: number;
    readonly disabled: number;
    readonly admins: number;
    readonly deletionPending: number;
    readonly registeredLast30Days: number;
  };
  /** Each key is active, revoked or expired; `unclaimed` counts the active ones whose secret nobody has fetched. */
  readonly apiKeys: {
    readonly total: number;
    readonly active: number;
    readonly revoked: number;
    readonly expired: number;
    readonly unclaimed: number;
  };
  readonly requests: {
    readonly total: number;
    readonly pending: number;
    readonly approved: number;
    readonly rejected: number;
    readonly withdrawn: number;
  };
  readonly storage: {
    readonly spaces: number;
    readonly objects: number;
    readonly bytesUsed: number;
    readonly bytesReserved: number;
    readonly quotaBytes: number;
  };
}
