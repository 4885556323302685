import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { MailDeliveryService } from './mail-delivery.service.ts';
import type { SealedMail } from './sealed-mail.ts';

/**
 * Sends one mail. Tried again after 4 to 8, 8 to 16, 16 to 32 and 32 to 60 minutes: the last try comes an hour after the
 * first at the earliest, so a mail server may be away for an hour and no mail is lost. Mails with codes are quicker to retry.
 */
export const mailSendJob = defineJob<SealedMail>('mail.send', {
  retryDelaySeconds: 240,
  retryDelayMaxSeconds: 3600,
  expireInSeconds: 120,
});

/** Lets this process send mail. */
export function registerMailJobs(queue: JobQueue, delivery: MailDeliveryService): void {
  queue.work(mailSendJob, (payload, { jobId }) => delivery.deliver(payload, jobId), { concurrency: 5 });
}
