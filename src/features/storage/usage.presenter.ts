import type { SpaceSnapshot } from '../access/index.ts';
import { percentage, presentFile } from './storage.presenter.ts';
import type { Analytics } from './usage.service.ts';
import type { UsageEntry } from './usage-history.repository.ts';

/** One entry of `GET /storage/usage/history`. */
export function presentUsageEntry({ at, path, ...entry }: UsageEntry) {
  return { ...entry, at: at.toISOString(), fileName: path };
}

/** API.md's answer of `GET /storage/analytics`. */
export function presentAnalytics(space: SpaceSnapshot, analytics: Analytics) {
  const { categories, largest, recent, remainingBytes, daysUntilFull } = analytics;
  const totalFiles = categories.reduce((sum, { files }) => sum + files, 0);
  const totalBytes = categories.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    overview: {
      totalFiles,
      totalBytes,
      averageFileSize: totalFiles === 0 ? 0 : Math.round(totalBytes / totalFiles),
      largestFile: largest === null ? null : presentFile(largest),
    },
    fileTypes: Object.fromEntries(categories.map(({ category, files, bytes }) => [category, { count: files, bytes }])),
    recentFiles: recent.map((file) => presentFile(file)),
    quota: { usagePercentage: percentage(space.usedBytes, space.quotaBytes), remainingBytes, daysUntilFull },
  };
}
