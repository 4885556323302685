import {
  ContentCheckRepository,
  ContentCheckService,
  registerContentCheckJobs,
} from '../features/content-check/index.ts';
import { ClamdScanner } from '../platform/antivirus/clamd.ts';
import type { Basis } from './basis.ts';

/** What new contents are read for before anybody may have them. */
export function composeContentCheck({ config, database, store, queue, outbox, clock, log }: Basis) {
  const checks = new ContentCheckService({
    checks: new ContentCheckRepository(database),
    store,
    scanner: config.clamdUrl === undefined ? null : new ClamdScanner({ url: config.clamdUrl }),
    queue,
    outbox,
    clock,
    log,
  });
  registerContentCheckJobs(queue, checks);
  return checks;
}
