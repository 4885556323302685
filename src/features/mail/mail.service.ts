import type { Clock } from '../../platform/clock/clock.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import type { Tx } from '../../platform/db/unit-of-work.ts';
import type { JobSender } from '../../platform/queue/job-queue.ts';
import { mailSendJob } from './mail.jobs.ts';
import { sealLetter } from './sealed-mail.ts';
import {
  accountDeletionMail,
  emailChangedMail,
  otpMail,
  passwordChangedMail,
  passwordResetMail,
} from './templates/account-mails.ts';
import {
  approvedMail,
  keyRevokedMail,
  newRequestMail,
  type RequestFacts,
  rejectedMail,
} from './templates/key-mails.ts';
import type { MailContent } from './templates/layout.ts';

/** A code is of no use in an hour: its five tries lie within five minutes, half of its life. */
const CODE_RETRY_DELAY_SECONDS = 10;

export interface MailDependencies {
  readonly queue: JobSender;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** Origin of the links in mails. Never what a request says of itself: that would let a stranger choose it. */
  readonly publicUrl: string | undefined;
}

/**
 * Writes mails and puts them into the queue, in the transaction of what they tell of. A mail server that is slow or
 * dead is the worker's affair: no request waits for it.
 */
export class MailService {
  readonly #deps: MailDependencies;

  constructor(deps: MailDependencies) {
    this.#deps = deps;
  }

  /** `expiresAt`: when the code ends, and with it the use of the mail. */
  async sendOtp(tx: Tx, to: string, otp: { readonly code: string; readonly expiresAt: Date }): Promise<void> {
    await this.#send(tx, [to], otpMail(this.#codeInput(otp)), otp.expiresAt);
  }

  async sendPasswordReset(tx: Tx, to: string, otp: { readonly code: string; readonly expiresAt: Date }): Promise<void> {
    await this.#send(tx, [to], passwordResetMail(this.#codeInput(otp)), otp.expiresAt);
  }

  /** `ip`: from where. */
  async sendPasswordChanged(tx: Tx, to: string, ip: string | null): Promise<void> {
    await this.#send(tx, [to], passwordChangedMail({ at: this.#deps.clock.now(), ip }), null);
  }

  /** `to`: the address until now. */
  async sendEmailChanged(tx: Tx, to: string, change: { newEmail: string; ip: string | null }): Promise<void> {
    await this.#send(tx, [to], emailChangedMail({ at: this.#deps.clock.now(), ...change }), null);
  }

  async sendAccountDeletion(tx: Tx, to: string, deletion: { dueAt: Date; byAdmin: boolean }): Promise<void> {
    const restoreUrl = this.#url('/api/users/account/restore');
    await this.#send(tx, [to], accountDeletionMail({ ...deletion, restoreUrl }), null);
  }

  async sendKeyRevoked(
    tx: Tx,
    to: string,
    key: { readonly keyName: string; readonly accessKeyId: string; readonly byAdmin: boolean },
  ): Promise<void> {
    await this.#send(tx, [to], keyRevokedMail(key), null);
  }

  async sendNewRequest(
    tx: Tx,
    admins: readonly string[],
    request: Omit<Parameters<typeof newRequestMail>[0], 'reviewUrl'>,
  ): Promise<void> {
    const reviewUrl = this.#url(`/api/apiKeys/request/admin/review/${request.requestId}`);
    await this.#send(tx, admins, newRequestMail({ ...request, reviewUrl }), null);
  }

  async sendApproved(
    tx: Tx,
    to: string,
    grant: Omit<Parameters<typeof approvedMail>[0], 'claimUrl'> & { readonly apiKeyId: string },
  ): Promise<void> {
    const claimUrl = this.#url(`/api/apiKeys/${grant.apiKeyId}/claim`);
    await this.#send(tx, [to], approvedMail({ ...grant, claimUrl }), null);
  }

  async sendRejected(tx: Tx, to: string, request: RequestFacts & { readonly comment: string | null }): Promise<void> {
    await this.#send(tx, [to], rejectedMail(request), null);
  }

  #codeInput({ code, expiresAt }: { readonly code: string; readonly expiresAt: Date }) {
    const validMinutes = Math.round((expiresAt.getTime() - this.#deps.clock.now().getTime()) / 60_000);
    return { code, validMinutes };
  }

  /** A job for each recipient, so that one bad address holds up nobody else. */
  async #send(tx: Tx, recipients: readonly string[], content: MailContent, usefulUntil: Date | null): Promise<void> {
    const { queue, sealer, clock } = this.#deps;
    const writtenAt = clock.now().toISOString();
    const jobs = recipients.map((to) =>
      sealLetter(sealer, { to, ...content, writtenAt, usefulUntil: usefulUntil?.toISOString() ?? null }),
    );
    const options = usefulUntil === null ? {} : { retryDelaySeconds: CODE_RETRY_DELAY_SECONDS };
    await queue.enqueueMany(tx, mailSendJob, jobs, options);
  }

  #url(path: string): string {
    return `${this.#deps.publicUrl ?? ''}${path}`;
  }
}
