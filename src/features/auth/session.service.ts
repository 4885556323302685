import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { UnitOfWork } from '../../platform/db/unit-of-work.ts';
import { cutPage, decodeCursor, encodeCursor, type Page, type PageRequest } from '../../platform/keyset.ts';
import type { AuditRepository, Doer } from '../audit/index.ts';
import type { User, UserRepository } from '../users/index.ts';
import type { SessionRepository } from './session.repository.ts';
import type { Session } from './session.ts';

export interface SessionDependencies {
  readonly uow: UnitOfWork;
  readonly users: UserRepository;
  readonly sessions: SessionRepository;
  readonly audit: AuditRepository;
  readonly clock: Clock;
}

/** Where a user is logged in. What is not the user's is SESSION_NOT_FOUND, as what has ended. */
export class SessionService {
  readonly #deps: SessionDependencies;

  constructor(deps: SessionDependencies) {
    this.#deps = deps;
  }

  /** Living sessions, newest use first. Errors: VALIDATION_FAILED for a foreign cursor. */
  async list(userId: string, { limit, cursor }: PageRequest): Promise<Page<Session>> {
    const { sessions, clock } = this.#deps;
    const after = cursor === undefined ? null : positionOf(cursor);
    const found = await sessions.pageLiving(userId, { limit: limit + 1, after }, clock.now());
    return cutPage(found, limit, ({ lastUsedAt, id }) => encodeCursor([lastUsedAt.getTime(), id]));
  }

  /** The user of a session that has just proven itself. UNAUTHENTICATED when the account went meanwhile. */
  async getUser(userId: string): Promise<User> {
    const user = await this.#deps.users.findById(userId);
    if (!user) throw new AppError('UNAUTHENTICATED', { message: 'The session has ended' });
    return user;
  }

  /** Ends one session: its tokens fail at the next request, in every process. SESSION_NOT_FOUND. */
  async end(userId: string, sessionId: string, by: Doer): Promise<void> {
    const { uow, sessions, audit, clock } = this.#deps;
    const ended =
      isId(sessionId) &&
      (await uow.run(async (tx) => {
        if (!(await sessions.revoke(tx, userId, sessionId, clock.now()))) return false;
        await audit.append(tx, {
          action: 'user.session_ended',
          ...by,
          subject: { type: 'user', id: userId },
          metadata: { sessionId: sessionId.toLowerCase() },
        });
        return true;
      }));
    if (!ended) throw new AppError('SESSION_NOT_FOUND');
  }

  /** Ends the session that asks; harmless when it has ended. */
  async logout(userId: string, sessionId: string, by: Doer): Promise<void> {
    const { uow, sessions, audit, clock } = this.#deps;
    await uow.run(async (tx) => {
      if (!(await sessions.revoke(tx, userId, sessionId, clock.now()))) return;
      await audit.append(tx, { action: 'user.logout', ...by, subject: { type: 'user', id: userId } });
    });
  }

  /** Ends every session, the one that asks too; answers how many were alive. */
  async logoutAll(userId: string, by: Doer): Promise<number> {
    const { uow, sessions, audit, clock } = this.#deps;
    return uow.run(async (tx) => {
      const count = await sessions.revokeAll(tx, userId, clock.now());
      // Of two at once, the second one has nothing to tell.
      if (count === 0) return 0;
      await audit.append(tx, {
        action: 'user.logout_all',
        ...by,
        subject: { type: 'user', id: userId },
        metadata: { count },
      });
      return count;
    });
  }
}

function positionOf(cursor: string) {
  const [lastUsedAt, id] = decodeCursor(cursor, 'time', 'id');
  return { lastUsedAt: new Date(lastUsedAt), id };
}
