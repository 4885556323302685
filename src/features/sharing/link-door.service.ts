import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { type PasswordHasher, passwordFault } from '../../platform/crypto/password-hasher.ts';
import { sha256 } from '../../platform/crypto/random.ts';
import type { LoginGuard } from '../auth/index.ts';
import type { LinkPass, LinkPasses } from './link-pass.ts';
import type { PublicLinkRepository } from './public-link.repository.ts';
import type { PublicLink } from './public-link.ts';

export interface LinkDoorDependencies {
  readonly links: PublicLinkRepository;
  readonly passwordHasher: PasswordHasher;
  readonly guard: LoginGuard;
  readonly passes: LinkPasses;
  readonly clock: Clock;
}

/** What somebody shows at a link. */
export interface Visit {
  readonly token: string;
  /** Where a program sends it with the request. */
  readonly password?: string | undefined;
  /** Where a browser has unlocked the link before; one that is good is enough. */
  readonly passes?: readonly string[];
  readonly ip: string | null;
}

/** Who may use a public link: whoever has the token, and where it has a password, knows that too. */
export class LinkDoorService {
  readonly #deps: LinkDoorDependencies;

  constructor(deps: LinkDoorDependencies) {
    this.#deps = deps;
  }

  /**
   * The link, if it works and the visitor may use it. Errors: LINK_NOT_FOUND, whatever is wrong with it;
   * LINK_PASSWORD_REQUIRED; with a password also INVALID_CREDENTIALS, RATE_LIMITED (ten wrong ones for this link from
   * this address), DEPENDENCY_UNAVAILABLE (too many hashes at once).
   */
  async enter({ token, password, passes = [], ip }: Visit): Promise<PublicLink> {
    const link = await this.getUsable(token);
    if (link.passwordHash === null) return link;
    const now = this.#deps.clock.now();
    if (passes.some((pass) => this.#deps.passes.isGood(link, pass, now))) return link;
    if (password === undefined) throw new AppError('LINK_PASSWORD_REQUIRED');
    await this.#check(link, password, ip);
    // Comparing takes its time, in which the link may have ended.
    return this.getUsable(token);
  }

  /** A pass for the password; null where the link asks for none. Errors as `enter`. */
  async unlock({ token, password, ip }: Visit & { readonly password: string }): Promise<LinkPass | null> {
    const link = await this.enter({ token, password, ip });
    return link.passwordHash === null ? null : this.#deps.passes.issue(link, this.#deps.clock.now());
  }

  /** For whoever has entered before. Errors: LINK_NOT_FOUND. */
  async getUsable(token: string): Promise<PublicLink> {
    const link = await this.#deps.links.findUsable(sha256(token), this.#deps.clock.now());
    if (!link) throw new AppError('LINK_NOT_FOUND');
    return link;
  }

  async #check(link: PublicLink, password: string, ip: string | null): Promise<void> {
    const { passwordHasher, guard } = this.#deps;
    const key = guard.keyOf(`link:${link.id}`, ip);
    await guard.assertOpen(key);
    const hash = passwordFault(password) === null ? link.passwordHash : null;
    if (!(await passwordHasher.verify(password, hash))) {
      await guard.noteFailure(key);
      throw new AppError('INVALID_CREDENTIALS', { message: 'The password is wrong' });
    }
    await guard.assertOpen(key);
    await guard.noteSuccess(key);
  }
}
