export { mailSendJob, registerMailJobs } from './mail.jobs.ts';
export { MailService } from './mail.service.ts';
export { MailDeliveryService } from './mail-delivery.service.ts';
