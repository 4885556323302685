import { AppError } from '../../errors/app-error.ts';
import type { ApiKey, ApiKeyService } from '../api-keys/index.ts';
import type { User, UserRepository } from '../users/index.ts';

export interface ProfileDependencies {
  readonly users: UserRepository;
  readonly keys: ApiKeyService;
}

export interface Profile {
  readonly user: User;
  readonly apiKeys: readonly ApiKey[];
}

/** More than anybody has at once; the whole list is at `GET /apiKeys`. */
const SHOWN_KEYS = 200;

/** What users see and change of their own accounts. */
export class ProfileService {
  readonly #deps: ProfileDependencies;

  constructor(deps: ProfileDependencies) {
    this.#deps = deps;
  }

  /** The account and its latest 200 keys, newest first. */
  async get(userId: string): Promise<Profile> {
    const { users, keys } = this.#deps;
    const [user, page] = await Promise.all([
      users.findById(userId),
      keys.list(userId, { limit: SHOWN_KEYS, cursor: undefined }),
    ]);
    if (!user) throw new AppError('USER_NOT_FOUND');
    return { user, apiKeys: page.entries };
  }
}
