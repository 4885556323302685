import { isId } from '../../platform/crypto/random.ts';
import type { Page } from '../../platform/keyset.ts';
import { SYSTEM_ACTOR, SYSTEM_ORIGIN } from '../audit/index.ts';
import { normalizeFileName, splitForNumber } from '../ingest/index.ts';
import {
  type ConflictPolicy,
  type DeletedFile,
  type FileLedgerRepository,
  fileExists,
  folderBusy,
  type RestoreInput,
  type SpaceScope,
  tooManyFolders,
} from '../ledger/index.ts';
import type { OperationService } from './operation.service.ts';
import { fileNotFound } from './storage-faults.ts';
import type { TrashRepository } from './trash.repository.ts';
import type { Restoration, TrashedFile, TrashQuery } from './trashed-file.ts';

/** Files that one statement, and one answer, takes on. */
const BATCH = 1000;

export interface TrashDependencies {
  readonly trash: TrashRepository;
  readonly fileLedger: FileLedgerRepository;
  readonly operations: OperationService;
}

/** What was deleted where the space keeps a trash: it counts on the quota until it is restored or removed for good. */
export class TrashService {
  readonly #deps: TrashDependencies;

  constructor(deps: TrashDependencies) {
    this.#deps = deps;
  }

  list(spaceId: string, query: TrashQuery): Promise<Page<TrashedFile>> {
    return this.#deps.trash.list(spaceId, { ...query, prefix: normalizeFileName(query.prefix) });
  }

  /**
   * Brings a file back to where it was. Errors: FILE_NOT_FOUND, FILE_EXISTS, CONFLICT (folders).
   * Answers its path.
   */
  async restore(scope: SpaceScope, id: string, conflict: ConflictPolicy): Promise<string> {
    const file = await this.#get(scope.space.id, id);
    const item = { id, path: file.path, conflict, ...splitForNumber(file.path) };
    const [answer] = await this.#deps.fileLedger.restore(scope.space.id, [item], scope);
    if (answer?.outcome === 'exists') throw fileExists(answer.existingId ?? '', answer.path);
    if (answer?.outcome === 'folders') throw tooManyFolders();
    if (answer?.outcome === 'busy') throw folderBusy();
    if (answer?.outcome !== 'restored') throw fileNotFound({ id });
    return answer.path;
  }

  /**
   * Brings up to 1000 files back. Of several that had one name the last deleted has it; the others find it taken, also
   * with `replace`, which is about what stood there before.
   */
  async restoreMany(scope: SpaceScope, ids: readonly string[], conflict: ConflictPolicy): Promise<Restoration> {
    const wanted = [...new Set(ids.map((id) => id.toLowerCase()))];
    const files = await this.#deps.trash.find(scope.space.id, wanted.filter(isId));
    const found = new Set(files.map(({ id }) => id));
    const missing = wanted.filter((id) => !found.has(id));
    const { restored, failed } = await this.#restore(scope, files, conflict);
    const unknown = missing.map((id) => ({ id, path: null, reason: 'FILE_NOT_FOUND' as const }));
    return { restored, failed: [...failed, ...unknown] };
  }

  /** The same for what lay below a prefix, of each name the last deleted; beyond 1000 as a job whose id it answers. */
  async restorePrefix(
    scope: SpaceScope,
    prefix: string,
    conflict: ConflictPolicy,
  ): Promise<{ readonly jobId: string } | { readonly restoration: Restoration }> {
    const normalized = normalizeFileName(prefix);
    const files = await this.#deps.trash.newestBelow(scope.space.id, { prefix: normalized, limit: BATCH + 1 });
    if (files.length <= BATCH) return { restoration: await this.#restore(scope, files, conflict) };
    return { jobId: await this.#deps.operations.beginRestoring(scope, { prefix: normalized, conflict }) };
  }

  /** Removes one file for good. Errors: FILE_NOT_FOUND. */
  async purge(scope: SpaceScope, id: string): Promise<DeletedFile> {
    const options = { ...scope, limit: 1 };
    const [gone] = isId(id) ? await this.#deps.fileLedger.purge(scope.space.id, { ids: [id] }, options) : [];
    if (!gone) throw fileNotFound({ id });
    return gone;
  }

  /** Removes all of it for good; beyond 1000 files as a job whose id it answers. */
  async empty(
    scope: SpaceScope,
  ): Promise<{ readonly jobId: string } | { readonly files: number; readonly freedBytes: number }> {
    const { trash, fileLedger, operations } = this.#deps;
    const { files, now } = await trash.state(scope.space.id);
    if (files > BATCH) return { jobId: await operations.beginEmptying(scope) };
    const gone = await fileLedger.purge(scope.space.id, { deletedUpTo: now }, { ...scope, limit: BATCH });
    return { files: gone.length, freedBytes: gone.reduce((sum, { freedBytes }) => sum + freedBytes, 0) };
  }

  /** The sweep: removes what has lain its time. Safe to run twice, also at once. */
  async purgeOverdue(signal: AbortSignal): Promise<void> {
    const { fileLedger } = this.#deps;
    const options = { actor: SYSTEM_ACTOR, origin: SYSTEM_ORIGIN, limit: BATCH };
    for (;;) {
      const spaces = await fileLedger.findSpacesWithOverdueTrash();
      if (spaces.length === 0) return;
      for (const spaceId of spaces) {
        signal.throwIfAborted();
        await fileLedger.purge(spaceId, 'overdue', options);
      }
    }
  }

  async #get(spaceId: string, id: string): Promise<TrashedFile> {
    const [file] = isId(id) ? await this.#deps.trash.find(spaceId, [id]) : [];
    if (!file) throw fileNotFound({ id });
    return file;
  }

  /** Last deleted first. */
  async #restore(
    scope: SpaceScope,
    files: readonly { readonly id: string; readonly path: string }[],
    conflict: ConflictPolicy,
  ): Promise<Restoration> {
    if (files.length === 0) return { restored: [], failed: [] };
    const seen = new Set<string>();
    const items = files.map(({ id, path }): RestoreInput => {
      const isRepeated = seen.has(path);
      seen.add(path);
      const policy = isRepeated && conflict === 'replace' ? 'fail' : conflict;
      return { id, path, conflict: policy, ...splitForNumber(path) };
    });
    const answers = await this.#deps.fileLedger.restore(scope.space.id, items, scope);
    return {
      restored: answers.flatMap(({ outcome, fileId: id, path }) => (outcome === 'restored' ? [{ id, path }] : [])),
      failed: answers.flatMap(({ outcome, fileId: id, path }) =>
        outcome === 'restored' ? [] : [{ id, path, reason: REASONS[outcome] }],
      ),
    };
  }
}

const REASONS = { gone: 'FILE_NOT_FOUND', exists: 'FILE_EXISTS', folders: 'CONFLICT', busy: 'CONFLICT' } as const;
