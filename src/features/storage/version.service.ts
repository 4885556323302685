import { AppError } from '../../errors/app-error.ts';
import { isId } from '../../platform/crypto/random.ts';
import type { FileLedgerRepository, FileRef, SpaceScope } from '../ledger/index.ts';
import type { FileVersion } from './file-version.ts';
import { fileNotFound } from './storage-faults.ts';
import type { StoredFile } from './stored-file.ts';
import type { VersionRepository } from './version.repository.ts';

export interface VersionDependencies {
  /** Errors: FILE_NOT_FOUND. */
  readonly getFile: (spaceId: string, ref: FileRef) => Promise<StoredFile>;
  readonly versions: VersionRepository;
  readonly fileLedger: FileLedgerRepository;
}

/** Older contents of files, where the space keeps them: they count on the quota, and follow the file wherever it goes. */
export class VersionService {
  readonly #deps: VersionDependencies;

  constructor(deps: VersionDependencies) {
    this.#deps = deps;
  }

  /** Newest first. Errors: FILE_NOT_FOUND. */
  async list(spaceId: string, ref: FileRef): Promise<FileVersion[]> {
    const { id } = await this.#deps.getFile(spaceId, ref);
    return this.#deps.versions.list(spaceId, id);
  }

  /** The file as it was with that content. Errors: FILE_NOT_FOUND, VERSION_NOT_FOUND. */
  async getFile(spaceId: string, ref: FileRef, versionId: string): Promise<StoredFile> {
    const file = await this.#deps.getFile(spaceId, ref);
    const version = isId(versionId) ? await this.#deps.versions.find(spaceId, file.id, versionId) : null;
    if (!version) throw versionNotFound(versionId);
    const { id: _id, replacedAt: _replacedAt, ...content } = version;
    return { ...file, ...content, modifiedAt: version.uploadedAt };
  }

  /**
   * Makes an older content the present one, which becomes a version in its place; costs no room. Answers the file's id.
   * Errors: FILE_NOT_FOUND, VERSION_NOT_FOUND.
   */
  async restore(scope: SpaceScope, ref: FileRef, versionId: string): Promise<string> {
    const { id: fileId } = await this.#deps.getFile(scope.space.id, ref);
    if (!isId(versionId)) throw versionNotFound(versionId);
    const outcome = await this.#deps.fileLedger.restoreVersion(scope.space.id, { fileId, versionId }, scope);
    if (outcome === 'gone') throw fileNotFound(ref);
    if (outcome === 'no-version') throw versionNotFound(versionId);
    return fileId;
  }

  /** Removes an older content for good; answers the bytes that this freed. Errors: FILE_NOT_FOUND, VERSION_NOT_FOUND. */
  async delete(scope: SpaceScope, ref: FileRef, versionId: string): Promise<number> {
    const { id: fileId } = await this.#deps.getFile(scope.space.id, ref);
    const version = { fileId, versionId };
    const freed = isId(versionId) ? await this.#deps.fileLedger.deleteVersion(scope.space.id, version, scope) : null;
    if (freed === null) throw versionNotFound(versionId);
    return freed;
  }
}

function versionNotFound(versionId: string): AppError {
  return new AppError('VERSION_NOT_FOUND', { details: { versionId } });
}
