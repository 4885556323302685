import type { Clock } from '../../platform/clock/clock.ts';
import type { Sealer } from '../../platform/crypto/seal.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { ANONYMOUS_ACTOR, type AuditRepository } from '../audit/index.ts';
import type { MailService } from '../mail/index.ts';
import type { UserRepository } from '../users/index.ts';
import { CODE_POLICY, type OneTimeCodeService } from './one-time-code.service.ts';
import { openResetRequest, type SealedResetRequest } from './sealed-reset-request.ts';

export interface ResetCodeDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly oneTimeCodes: OneTimeCodeService;
  readonly audit: AuditRepository;
  readonly mail: MailService;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** The worker's half of a forgotten password: the code and its mail. */
export class ResetCodeService {
  readonly #deps: ResetCodeDependencies;

  constructor(deps: ResetCodeDependencies) {
    this.#deps = deps;
  }

  /**
   * Makes a code and its mail for such a wish: none for an unknown or disabled account, none within a minute of the last
   * one. A code counts as sent when it was asked for, so a job that runs twice finds the code of its first run.
   */
  async send(sealed: SealedResetRequest): Promise<void> {
    const { uow, users, oneTimeCodes, audit, mail, sealer, clock } = this.#deps;
    const { email, requestedAt, origin } = openResetRequest(sealer, sealed);
    // Its code would have expired.
    if (requestedAt.getTime() + CODE_POLICY.windowMs <= clock.now().getTime()) return;
    const user = (await users.findForLogin({ email }))?.user;
    if (!user || user.disabledAt !== null) return;
    await uow.run(async (tx) => {
      const issued = await oneTimeCodes.issue(tx, { purpose: 'PASSWORD_RESET', user }, requestedAt);
      if (issued === null) return;
      await mail.sendPasswordReset(tx, user.email, issued);
      await audit.append(tx, {
        action: 'user.password_reset_requested',
        actor: ANONYMOUS_ACTOR,
        origin,
        subject: { type: 'user', id: user.id },
      });
    });
  }
}
