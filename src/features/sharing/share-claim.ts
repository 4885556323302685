import { defineJob } from '../../platform/queue/job.ts';

/** Gives somebody the shares that waited for an address, where one transaction was not to do it all. */
export const claimSharesJob = defineJob<{ readonly userId: string }>('share.claim');
