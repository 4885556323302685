import type { Readable } from 'node:stream';
import { AppError } from '../../errors/app-error.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Logger } from '../../platform/logging/logger.ts';
import type { AuditOrigin } from '../audit/index.ts';
import { fileNameFault, type IngestService, lastSegment, normalizeFileName } from '../ingest/index.ts';
import type { LinkDoorService } from './link-door.service.ts';
import type { PublicLinkRepository } from './public-link.repository.ts';
import { scopeOf } from './public-link.service.ts';
import type { PublicLink } from './public-link.ts';

export interface LinkDropDependencies {
  readonly door: LinkDoorService;
  readonly links: PublicLinkRepository;
  readonly ingest: IngestService;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DropInput {
  readonly originalName: string;
  readonly contentType: string | undefined;
  readonly body: Readable;
  readonly announcedBytes: number | undefined;
  readonly origin: AuditOrigin;
}

/** What was dropped, as its sender called it. */
export interface DroppedFile {
  readonly name: string;
  readonly sizeBytes: number;
}

/** A drop that is stored, and not yet a file. */
export interface StagedDrop {
  commit(): Promise<DroppedFile>;
  abort(): Promise<void>;
}

/** Files that come in by a link, into room of its own. */
export class LinkDropService {
  readonly #deps: LinkDropDependencies;

  constructor(deps: LinkDropDependencies) {
    this.#deps = deps;
  }

  /** Errors: FORBIDDEN. */
  assertTakes({ target }: PublicLink): void {
    if (target.kind !== 'drop') throw new AppError('FORBIDDEN', { message: 'This link takes no files' });
  }

  /**
   * Streams a file in; it is a file once `commit` has run, if the link still works then. Never replaces anything: a taken
   * name gets a number, of which the sender hears nothing. Folders in the name are dropped.
   * Errors: FORBIDDEN, VALIDATION_FAILED (name), QUOTA_EXCEEDED (the drop's), FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED,
   * CONTENT_MISMATCH, LINK_NOT_FOUND (ended meanwhile), CONFLICT (the folder is just being moved or deleted).
   */
  async stage(token: string, link: PublicLink, input: DropInput): Promise<StagedDrop> {
    this.assertTakes(link);
    const { target } = link;
    if (target.kind !== 'drop') throw new AppError('FORBIDDEN');
    const { originalName, contentType, body, announcedBytes, origin } = input;
    const name = nameOf(originalName);
    const staged = await this.#unlessEnded(token, () =>
      this.#deps.ingest.stage({
        scope: scopeOf(link, origin),
        action: 'link.upload',
        reservationId: target.reservationId,
        fileName: `${target.path}/${name}`,
        contentType,
        conflict: 'keepBoth',
        tags: null,
        body,
        announcedBytes,
      }),
    );
    return {
      abort: () => staged.abort(),
      commit: async () => {
        const place = await this.#placeOf(token).catch(async (error: unknown) => {
          await staged.abort();
          throw error;
        });
        const path = `${place.path}/${name}`;
        await this.#unlessEnded(token, () => staged.commit({ path, folderId: place.folderId }));
        await this.#landed(link);
        return { name, sizeBytes: staged.sizeBytes };
      },
    };
  }

  /** The link as it is after a drop; as it was where that cannot be told, for the file has landed all the same. */
  async lookAgain(token: string, link: PublicLink): Promise<PublicLink> {
    const { door, log } = this.#deps;
    try {
      return await door.getUsable(token);
    } catch (error) {
      log.warn({ err: error, linkId: link.id }, 'a link could not be looked up after a drop');
      return link;
    }
  }

  /** Never fails: the file is there, and its sender must not send it again. */
  async #landed(link: PublicLink): Promise<void> {
    const { links, clock, log } = this.#deps;
    try {
      await links.touch(link.id, clock.now());
    } catch (error) {
      log.warn({ err: error, linkId: link.id }, 'the last use of a link could not be noted');
    }
  }

  /** Where the folder is by now: it may have moved while the file was coming. */
  async #placeOf(token: string) {
    const { target } = await this.#deps.door.getUsable(token);
    if (target.kind !== 'drop') throw new AppError('LINK_NOT_FOUND');
    return target;
  }

  /** What fails because the link has ended says so, and nothing else; what others have sent, nothing says. */
  async #unlessEnded<T>(token: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof AppError) await this.#deps.door.getUsable(token);
      throw withoutFigures(error);
    }
  }
}

function withoutFigures(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'QUOTA_EXCEEDED') return error;
  const { limit, requested } = error.details as { readonly limit: string; readonly requested: number };
  return new AppError(error.code, { message: error.message, details: { limit, requested } });
}

function nameOf(originalName: string): string {
  const name = lastSegment(normalizeFileName(originalName).replaceAll('\\', '/'));
  const fault = fileNameFault(name);
  if (fault !== null) throw new AppError('VALIDATION_FAILED', { details: [{ path: 'fileName', message: fault }] });
  return name;
}
