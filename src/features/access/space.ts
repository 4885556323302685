/** What a quota allows and what of it is taken. Bytes and counts are whole numbers below 2^53. */
export interface QuotaCounters {
  readonly quotaBytes: number;
  readonly quotaObjects: number;
  readonly usedBytes: number;
  readonly usedObjects: number;
  readonly reservedBytes: number;
  readonly reservedObjects: number;
}

/** A space's counters as one statement left them. */
export interface SpaceCounters extends QuotaCounters {
  /** Parts of used: what lies in the trash, and what is an older content of a file. */
  readonly trashBytes: number;
  readonly trashObjects: number;
  readonly versionBytes: number;
  readonly versionObjects: number;
}

/** A space's row as it stood when the request was authorized. */
export interface SpaceSnapshot extends SpaceCounters {
  readonly id: string;
  readonly kind: 'KEY' | 'DRIVE';
  readonly prefix: string;
  /** How long deleted files stay, in days; null: as the server does for this kind. */
  readonly trashDays: number | null;
  /** How many older contents of each file stay. */
  readonly versionsKept: number;
  readonly updatedAt: Date;
}
