import type { PresignedRequest } from '../../platform/object-store/object-store.ts';
import { presentFile } from '../storage/index.ts';
import type { OpenMultipart } from './multipart.service.ts';
import { partCountOf } from './part-plan.ts';
import type { CompletedUpload } from './upload-completion.ts';
import type { UploadSession } from './upload-session.ts';

export function presentUpload(session: UploadSession) {
  const { id, kind, state, fileName, sizeBytes, contentType, sha256, conflict, tags, partBytes, fileId } = session;
  return {
    id,
    kind,
    state,
    fileName,
    size: sizeBytes,
    contentType,
    checksumSha256: sha256,
    conflict,
    tags,
    partSize: partBytes,
    partCount: partBytes === null ? null : partCountOf(sizeBytes, partBytes),
    fileId,
    createdAt: session.createdAt.toISOString(),
    expiresAt: session.expiresAt.toISOString(),
    completedAt: session.completedAt?.toISOString() ?? null,
  };
}

/** What opening an upload in parts answers. */
export function presentOpened({ id, sizeBytes, partBytes, expiresAt }: OpenMultipart) {
  return {
    uploadId: id,
    partSize: partBytes,
    partCount: partCountOf(sizeBytes, partBytes),
    expiresAt: expiresAt.toISOString(),
  };
}

/** The part of a signed PUT that is the same for files and parts. */
export function presentRequest({ method, url, headers, expiresAt }: PresignedRequest) {
  return { method, url, headers, expiresAt: expiresAt.toISOString() };
}

export function presentCompleted({ file, job }: CompletedUpload) {
  return { file: presentFile(file), job };
}
