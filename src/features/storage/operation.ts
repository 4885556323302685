import { defineJob } from '../../platform/queue/job.ts';
import type { AuditColumns, ConflictPolicy } from '../ledger/index.ts';

/** What an operation does, by kind; times as PostgreSQL wrote them. Some are begun by the ledger's functions. */
export interface OperationParams {
  /** Living files below a prefix that were there at `before`; `prune`: emptied folders go as well. */
  readonly 'prefix.delete': {
    readonly prefix: string;
    readonly before: string;
    readonly audit: AuditColumns;
    readonly permanent?: boolean;
    readonly prune?: boolean;
  };
  readonly 'trash.empty': { readonly before: string; readonly audit: AuditColumns };
  /** `below` and not `prefix`, which keeps files from coming to where an operation takes them from (`ledger_busy`). */
  readonly 'trash.restore': {
    readonly below: string;
    readonly before: string;
    readonly audit: AuditColumns;
    readonly conflict: ConflictPolicy;
    /** How far it has come, by path. */
    readonly after?: string;
    /** Files that had to stay. */
    readonly failed?: number;
  };
  readonly 'folder.move': {
    readonly from: string;
    readonly to: string;
    readonly before: string;
    /** Of whom it is to be found. */
    readonly audit?: AuditColumns;
  };
}

export const OPERATION_KINDS = ['prefix.delete', 'trash.empty', 'trash.restore', 'folder.move'] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

export const OPERATION_STATES = ['QUEUED', 'RUNNING', 'DONE', 'FAILED'] as const;

/** Who asks for an operation: whoever acts in its space, or the user who began it. */
export interface OperationReader {
  readonly spaceId: string;
  /** null for keys, which have their space and nothing else. */
  readonly userId: string | null;
}

/** Work on more files than one answer may take, as its owner sees it; nothing in it tells where the files are. */
export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly state: (typeof OPERATION_STATES)[number];
  /** Files, as counted when it began. */
  readonly total: number;
  readonly done: number;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  /** What went wrong, in words for its owner. */
  readonly error: string | null;
}

/** An operation with what it needs to go on. */
export type RunningOperation = {
  readonly [K in OperationKind]: {
    readonly id: string;
    readonly spaceId: string;
    readonly kind: K;
    readonly params: OperationParams[K];
  };
}[OperationKind];

/** What one step of an operation did. */
export interface Step {
  /** Files; with `last` there is nothing left. */
  readonly done: number;
  readonly last: boolean;
  /** Parts of `params` that are others now. */
  readonly params?: Readonly<Record<string, string | number>>;
  /** What its owner should know at the end. */
  readonly note?: string | undefined;
}

/**
 * Carries an operation on; only the oldest of a space has such a job, and whoever ends it enqueues that of the next. A run works for
 * some seconds and hands on to the next, so a process that dies holds an operation up for about a minute.
 */
export const runOperationJob = defineJob<{ readonly operationId: string }>('storage.operation.run', {
  retryDelaySeconds: 5,
  retryDelayMaxSeconds: 60,
  expireInSeconds: 45,
});
