import { AppError } from '../../errors/app-error.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import type { AuditRepository } from '../audit/index.ts';
import type { SpaceScope } from '../ledger/index.ts';
import type { SpaceKeeping, SpaceRepository, SpaceUsage } from './space.repository.ts';

/** What a space keeps of deleted and replaced files. */
export interface SpaceSettings {
  /** 0: no trash. */
  readonly trashDays: number;
  readonly versionsKept: number;
}

/** What of it changes; `trashDays: null` as the server does for the kind. */
export interface SettingsChange {
  readonly trashDays?: number | null | undefined;
  readonly versionsKept?: number | undefined;
}

export interface SpaceDependencies {
  readonly uow: UnitOfWork;
  readonly spaces: SpaceRepository;
  readonly audit: AuditRepository;
  /** For drives that have no number of their own. */
  readonly driveTrashDays: number;
}

/** A space as a whole: its counters and its settings. */
export class SpaceService {
  readonly #deps: SpaceDependencies;

  constructor(deps: SpaceDependencies) {
    this.#deps = deps;
  }

  /** The counters as they stand now, for answers to what has just changed them. */
  async usage(spaceId: string): Promise<SpaceUsage> {
    const usage = await this.#deps.spaces.usage(spaceId);
    if (!usage) throw spaceGone();
    return usage;
  }

  /** With the server's own numbers where the space has none. */
  settings({ kind, trashDays, versionsKept }: SpaceKeeping & { readonly kind: 'KEY' | 'DRIVE' }): SpaceSettings {
    return { trashDays: trashDays ?? (kind === 'DRIVE' ? this.#deps.driveTrashDays : 0), versionsKept };
  }

  /** For what is deleted and replaced from now on; what is kept already stays as long as it was meant to. */
  async changeSettings(
    { space, actor, origin }: SpaceScope & { readonly space: { readonly kind: 'KEY' | 'DRIVE' } },
    { trashDays, versionsKept }: SettingsChange,
  ): Promise<SpaceSettings> {
    const { uow, spaces, audit } = this.#deps;
    const change = {
      ...(trashDays !== undefined && { trashDays }),
      ...(versionsKept !== undefined && { versionsKept }),
    };
    return uow.run(async (tx) => {
      const kept = await spaces.change(tx, space.id, change);
      if (!kept) throw spaceGone();
      const subject = { type: 'space', id: space.id } as const;
      await audit.append(tx, { action: 'space.settings_changed', actor, origin, subject, metadata: change });
      return this.settings({ ...kept, kind: space.kind });
    });
  }
}

/** The account was erased between authorization and here. */
function spaceGone(): AppError {
  return new AppError('UNAUTHENTICATED');
}
