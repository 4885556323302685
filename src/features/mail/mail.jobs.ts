import { defineJob } from '../../platform/queue/job.ts';
import type { JobQueue } from '../../platform/queue/job-queue.ts';
import type { MailDeliveryService } from './mail-delivery.service.ts';
import type { SealedMail } from './sealed-mail.ts';

/** Sends one mail; tried again for about a day while the mail server does not take it. */
export const mailSendJob = defineJob<SealedMail>('mail.send', {
  retryLimit: 30,
  retryDelaySeconds: 5,
  retryDelayMaxSeconds: 3600,
  expireInSeconds: 120,
});

/** Lets this process send mail. */
export function registerMailJobs(queue: JobQueue, delivery: MailDeliveryService): void {
  queue.work(mailSendJob, (payload, { jobId }) => delivery.deliver(payload, jobId), { concurrency: 5 });
}
