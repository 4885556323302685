import { presentFile } from './storage.presenter.ts';
import type { Restoration, TrashedFile } from './trashed-file.ts';

export function presentTrashed(file: TrashedFile) {
  return {
    ...presentFile(file),
    deletedAt: file.deletedAt.toISOString(),
    expiresAt: file.expiresAt.toISOString(),
  };
}

export function presentRestoration({ restored, failed }: Restoration) {
  return {
    restored: restored.map(({ id, path }) => ({ id, fileName: path })),
    failed: failed.map(({ id, path, reason }) => ({ id, fileName: path, reason })),
    summary: { requested: restored.length + failed.length, restored: restored.length, failed: failed.length },
  };
}
