-- Direct and resumable uploads, and what becomes of contents once they are here: checks, thumbnails, metadata.
-- As before: only what takes a moment under its locks, in the order of requests (see ..000400_files).
SET LOCAL lock_timeout = '1s';
LOCK TABLE users, spaces, uploads, files, file_versions IN ACCESS EXCLUSIVE MODE;
LOCK TABLE object_tombstones IN SHARE ROW EXCLUSIVE MODE;

-- Unknown until `content.check` has read a large object that came past this service.
ALTER TABLE "files" ALTER COLUMN "sha256" DROP NOT NULL,
ADD COLUMN     "has_thumbnails" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "file_versions" ALTER COLUMN "sha256" DROP NOT NULL,
ADD COLUMN     "status" "FileStatus" NOT NULL DEFAULT 'READY';
ALTER TABLE "uploads" ADD COLUMN     "has_session" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "upload_sessions" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "file_name" TEXT NOT NULL,
    "conflict" TEXT NOT NULL,
    "content_type" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "sha256" CHAR(64),
    "tags" TEXT[],
    "object_key" TEXT NOT NULL,
    "staged" BOOLEAN NOT NULL DEFAULT false,
    "store_upload_id" TEXT,
    "part_bytes" BIGINT,
    "received_sha256" CHAR(64),
    "client_metadata" TEXT,
    "state" TEXT NOT NULL DEFAULT 'OPEN',
    "file_id" UUID,
    "locked_by" UUID,
    "locked_until" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "completed_at" TIMESTAMPTZ(3),

    CONSTRAINT "upload_sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "file_media" (
    "object_key" TEXT NOT NULL,
    "space_id" UUID NOT NULL,
    "file_id" UUID NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'PENDING',
    "error" TEXT,
    "is_final" BOOLEAN NOT NULL DEFAULT false,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "search_text" TEXT NOT NULL DEFAULT '',
    "thumbnails" JSONB NOT NULL DEFAULT '{}',
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "file_media_pkey" PRIMARY KEY ("object_key")
);

-- CreateTable
CREATE TABLE "job_outbox" (
    "id" UUID NOT NULL,
    "job" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "job_outbox_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "upload_sessions_object_key_key" ON "upload_sessions"("object_key");

-- CreateIndex
CREATE INDEX "upload_sessions_space_id_id_idx" ON "upload_sessions"("space_id", "id");

-- CreateIndex
CREATE INDEX "upload_sessions_space_id_state_id_idx" ON "upload_sessions"("space_id", "state", "id");

-- CreateIndex
CREATE INDEX "upload_sessions_expires_at_idx" ON "upload_sessions"("expires_at");

-- CreateIndex
CREATE INDEX "file_media_space_id_idx" ON "file_media"("space_id");

-- CreateIndex
CREATE INDEX "file_media_pending_of_space" ON "file_media"("space_id") WHERE (state = 'PENDING');

-- CreateIndex
CREATE INDEX "upload_sessions_open" ON "upload_sessions"("space_id", "kind") WHERE (state = 'OPEN');

-- By words of the metadata, whatever their case.
CREATE INDEX "file_media_search" ON "file_media" USING gin ("space_id", lower("search_text") gin_trgm_ops) WHERE (search_text <> '');

-- AddForeignKey
ALTER TABLE "upload_sessions" ADD CONSTRAINT "upload_sessions_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "file_media" ADD CONSTRAINT "file_media_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "upload_sessions" ADD CONSTRAINT "upload_sessions_known" CHECK (
  kind IN ('presign', 'multipart', 'tus') AND state IN ('OPEN', 'COMPLETED', 'ENDED') AND (state = 'COMPLETED') = (file_id IS NOT NULL)
);
ALTER TABLE "file_media" ADD CONSTRAINT "file_media_known" CHECK (state IN ('PENDING', 'DONE', 'FAILED', 'SKIPPED'));

-- Sessions -----------------------------------------------------------------------------------------------------------

-- However an upload ends, so does its session; a commit then says that it was a good end.
CREATE FUNCTION upload_session_end() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE upload_sessions SET state = 'ENDED', locked_by = NULL, locked_until = NULL WHERE id = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER uploads_session_ended AFTER DELETE ON uploads
  FOR EACH ROW WHEN (OLD.has_session) EXECUTE FUNCTION upload_session_end();

-- Reserves room for one upload that comes by requests of its own, until its session ends.
-- p_item: as for `ledger_reserve`; p_session: { kind, tags?, sha256?, staged, store_upload_id?, part_bytes?, client_metadata? }
-- outcome: as of `ledger_reserve`, or crowded (p_max_open sessions of this kind are open).
CREATE FUNCTION ledger_open_session(
  p_space_id uuid, p_item jsonb, p_lease_seconds integer, p_session jsonb, p_max_open integer, p_audit jsonb
)
RETURNS TABLE (
  outcome text, file_id uuid, requested_bytes bigint, requested_objects bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_id uuid := (p_item->>'id')::uuid;
  v_kind text := p_session->>'kind';
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  -- What is overdue is no longer open.
  IF p_max_open IS NOT NULL AND p_max_open <= (
    SELECT count(*) FROM (
      SELECT 1 FROM upload_sessions WHERE space_id = p_space_id AND kind = v_kind AND state = 'OPEN' AND expires_at > now() LIMIT p_max_open
    ) o
  ) THEN
    outcome := 'crowded';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT r.outcome, r.file_id, r.requested_bytes, r.requested_objects, r.quota_bytes, r.quota_objects, r.used_bytes, r.used_objects,
         r.reserved_bytes, r.reserved_objects
  INTO outcome, file_id, requested_bytes, requested_objects, quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
  FROM ledger_reserve(p_space_id, jsonb_build_array(p_item), p_lease_seconds) r;
  IF outcome = 'reserved' THEN
    UPDATE uploads SET has_session = true WHERE id = v_id;
    INSERT INTO upload_sessions (id, space_id, kind, file_name, conflict, content_type, size_bytes, sha256, tags, object_key, staged,
                                 store_upload_id, part_bytes, client_metadata, expires_at)
    SELECT u.id, p_space_id, v_kind, u.path, u.conflict, u.content_type, u.expected_bytes, p_session->>'sha256',
           CASE WHEN jsonb_typeof(p_session->'tags') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(p_session->'tags')) END,
           u.object_key, coalesce((p_session->>'staged')::boolean, false), p_session->>'store_upload_id',
           (p_session->>'part_bytes')::bigint, p_session->>'client_metadata', u.lease_expires_at
    FROM uploads u WHERE u.id = v_id;
    PERFORM ledger_audit(p_audit, 'upload.open', 'upload', v_id,
      jsonb_build_object('fileName', p_item->>'path', 'sizeBytes', (p_item->>'bytes')::bigint, 'kind', v_kind));
  END IF;
  RETURN NEXT;
END $$;

-- Puts the end of an open session off; false where it is not open.
CREATE FUNCTION ledger_extend_session(p_space_id uuid, p_id uuid, p_seconds integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE uploads SET lease_expires_at = greatest(lease_expires_at, now() + make_interval(secs => p_seconds))
  WHERE id = p_id AND space_id = p_space_id;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE upload_sessions SET expires_at = greatest(expires_at, now() + make_interval(secs => p_seconds)) WHERE id = p_id;
  RETURN true;
END $$;

-- Gives an upload up on its owner's word: room back, whatever was stored removed. aborted | ended (before) | completed | gone
CREATE FUNCTION ledger_abort_session(p_space_id uuid, p_id uuid, p_audit jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_session upload_sessions%ROWTYPE;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT * INTO v_session FROM upload_sessions WHERE id = p_id AND space_id = p_space_id;
  IF NOT FOUND THEN
    RETURN 'gone';
  ELSIF v_session.state <> 'OPEN' THEN
    RETURN lower(v_session.state);
  END IF;
  PERFORM ledger_release(p_space_id, p_id, v_session.object_key);
  PERFORM ledger_audit(p_audit, 'upload.abort', 'upload', p_id, jsonb_build_object('fileName', v_session.file_name, 'kind', v_session.kind));
  RETURN 'aborted';
END $$;

-- Forgets these sessions, which ended long ago. A signed URL may have been used until after its session's end: what it left
-- and nothing names goes now. Answers how many.
CREATE FUNCTION upload_sessions_purge(p_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_session record;
  v_purged bigint := 0;
BEGIN
  FOR v_session IN
    DELETE FROM upload_sessions WHERE id IN (
      SELECT id FROM upload_sessions WHERE id = ANY(p_ids) AND state <> 'OPEN' FOR UPDATE SKIP LOCKED
    ) RETURNING object_key
  LOOP
    PERFORM ledger_bury_late(v_session.object_key);
    v_purged := v_purged + 1;
  END LOOP;
  RETURN v_purged;
END $$;

-- In the transaction that names an object which was stored on the strength of its tombstone: it stays. False when its removal has begun.
CREATE FUNCTION ledger_fulfil(p_object_key text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM object_tombstones WHERE object_key = p_object_key AND attempts = 0;
  RETURN FOUND;
END $$;

-- Of a job about one of a space's contents: spaces take turns, and whoever has little waiting goes first. Bounded, as is its cost.
CREATE FUNCTION media_priority(p_space_id uuid) RETURNS integer
LANGUAGE sql STABLE AS $$
  SELECT -count(*)::integer FROM (SELECT 1 FROM file_media WHERE space_id = p_space_id AND state = 'PENDING' LIMIT 100) waiting
$$;

-- Commit and versions, with what contents carry now -------------------------------------------------------------------

-- Besides what ..000500 says, of each of p_items: sha256 may be null; final_key? (the object that the staged one was copied to, by
-- an intent in the tombstones), status? (READY unless told), media? (thumbnails or metadata are to be made), jobs? ([{ id, name }]),
-- copied_from? (another content that this is a copy of), idempotency_id?, idempotency_attempt?
CREATE OR REPLACE FUNCTION ledger_commit_files(p_space_id uuid, p_items jsonb)
RETURNS TABLE (
  upload_id uuid, outcome text, file_id uuid, path text, replaced boolean, tags text[],
  uploaded_at timestamptz, requested_bytes bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint,
  trash_bytes bigint, trash_objects bigint, version_bytes bigint, version_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_item record;
  v_space spaces%ROWTYPE;
  v_upload uploads%ROWTYPE;
  v_old files%ROWTYPE;
  v_replaced record;
  v_freed record;
  v_objects bigint;
  v_version_bytes bigint;
  v_fits boolean;
  v_key text;
  v_known file_media%ROWTYPE;
BEGIN
  -- The row is locked, so the counters are ours until the end: they are reckoned here and written once for the batch.
  SELECT s.* INTO v_space FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;
  quota_bytes := v_space.quota_bytes;
  quota_objects := v_space.quota_objects;
  used_bytes := v_space.used_bytes;
  used_objects := v_space.used_objects;
  reserved_bytes := v_space.reserved_bytes;
  reserved_objects := v_space.reserved_objects;
  trash_bytes := v_space.trash_bytes;
  trash_objects := v_space.trash_objects;
  version_bytes := v_space.version_bytes;
  version_objects := v_space.version_objects;

  FOR v_item IN
    SELECT * FROM jsonb_to_recordset(p_items)
      AS i(upload_id uuid, object_key text, file_id uuid, usage_id uuid, audit_id uuid, stem text, suffix text, size_bytes bigint, sha256 text,
           etag text, content_type text, category text, extension text, tags text[], reason text, action text, actor_type text,
           actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb, path text,
           folder_id uuid, replaces uuid, final_key text, status text, media boolean, jobs jsonb,
           copied_from text, idempotency_id uuid, idempotency_attempt integer)
  LOOP
    upload_id := v_item.upload_id;
    file_id := v_item.file_id;
    -- As the column rounds it: the answer and a later read must show the same time.
    uploaded_at := now()::timestamptz(3);
    tags := coalesce(v_item.tags, '{}');
    v_old := NULL;
    v_known := NULL;
    v_version_bytes := 0;

    DELETE FROM uploads u WHERE u.id = v_item.upload_id AND u.space_id = p_space_id RETURNING u.* INTO v_upload;
    IF NOT FOUND THEN
      PERFORM ledger_bury_late(coalesce(v_item.final_key, v_item.object_key));
      outcome := 'gone';
      RETURN NEXT;
      CONTINUE;
    END IF;
    v_key := coalesce(v_item.final_key, v_upload.object_key);
    v_upload.path := coalesce(v_item.path, v_upload.path);
    path := v_upload.path;
    requested_bytes := v_item.size_bytes;
    v_objects := 1;
    IF v_upload.conflict = 'keepBoth' THEN
      path := ledger_free_name(p_space_id, v_upload.path, v_item.stem, v_item.suffix);
    END IF;
    -- Also where the name is too long for a number: then it is taken.
    IF v_upload.conflict <> 'keepBoth' OR path IS NULL THEN
      path := v_upload.path;
      SELECT f.* INTO v_old FROM files f WHERE f.space_id = p_space_id AND f.path = v_upload.path AND f.deleted_at IS NULL;
      IF v_old.id IS NOT NULL THEN
        SELECT * INTO v_replaced FROM ledger_replaced(p_space_id, v_upload.path, v_space.versions_kept);
        requested_bytes := v_item.size_bytes - v_replaced.freed_bytes;
        v_objects := 1 - v_replaced.freed_objects;
        tags := coalesce(v_item.tags, v_old.tags, '{}');
      END IF;
    END IF;
    replaced := v_old.id IS NOT NULL;

    -- What was reserved always fits; what goes beyond it (a replaced file was deleted meanwhile) has to fit now: into the
    -- reservation while that lives, else into the space.
    v_fits := (requested_bytes <= v_upload.reserved_bytes OR used_bytes + reserved_bytes - v_upload.reserved_bytes + requested_bytes <= quota_bytes)
      AND (v_objects <= v_upload.reserved_objects OR used_objects + reserved_objects - v_upload.reserved_objects + v_objects <= quota_objects);
    IF v_upload.reservation_id IS NOT NULL AND (requested_bytes > v_upload.reserved_bytes OR v_objects > v_upload.reserved_objects) THEN
      UPDATE reservations r
      SET held_bytes = r.held_bytes - greatest(0, requested_bytes - v_upload.reserved_bytes),
          held_objects = r.held_objects - greatest(0, v_objects - v_upload.reserved_objects)
      WHERE r.id = v_upload.reservation_id AND r.held_bytes >= requested_bytes - v_upload.reserved_bytes
        AND r.held_objects >= v_objects - v_upload.reserved_objects;
      IF FOUND THEN
        v_fits := true;
        v_upload.reserved_bytes := greatest(v_upload.reserved_bytes, requested_bytes);
        v_upload.reserved_objects := greatest(v_upload.reserved_objects, v_objects);
      ELSE
        v_fits := v_fits AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.id = v_upload.reservation_id);
      END IF;
    END IF;

    IF coalesce(v_item.replaces <> v_old.id, v_item.replaces IS NOT NULL) OR v_item.folder_id IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM folders d WHERE d.id = v_item.folder_id AND d.space_id = p_space_id AND d.path = path_parent(v_upload.path)
    ) THEN
      outcome := 'stale';
    ELSIF replaced AND v_upload.conflict <> 'replace' THEN
      outcome := 'exists';
      file_id := v_old.id;
    ELSIF NOT v_fits THEN
      outcome := 'refused';
    ELSIF v_item.final_key IS NOT NULL AND NOT ledger_fulfil(v_item.final_key) THEN
      -- Took so long that the copy is being removed.
      outcome := 'gone';
    ELSE
      outcome := coalesce(ledger_make_parents(p_space_id, v_space.kind, path, 'new'), 'committed');
    END IF;

    IF v_upload.reservation_id IS NULL THEN
      reserved_bytes := reserved_bytes - v_upload.reserved_bytes;
      reserved_objects := reserved_objects - v_upload.reserved_objects;
    ELSE
      SELECT * INTO v_freed FROM ledger_give_back(
        v_upload.reservation_id, v_upload.reserved_bytes, v_upload.reserved_objects,
        CASE WHEN outcome = 'committed' THEN least(v_upload.reserved_bytes, greatest(0, requested_bytes)) ELSE 0 END,
        CASE WHEN outcome = 'committed' THEN least(v_upload.reserved_objects, greatest(0, v_objects)) ELSE 0 END);
      reserved_bytes := reserved_bytes - v_freed.bytes;
      reserved_objects := reserved_objects - v_freed.objects;
    END IF;

    IF outcome <> 'committed' OR v_item.final_key IS NOT NULL THEN
      INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_upload.object_key, 'upload', now());
    END IF;
    IF outcome <> 'committed' THEN
      IF v_item.final_key IS NOT NULL THEN
        PERFORM ledger_bury_late(v_item.final_key);
      END IF;
      RETURN NEXT;
      CONTINUE;
    END IF;
    used_bytes := used_bytes + requested_bytes;
    used_objects := used_objects + v_objects;
    IF replaced THEN
      file_id := v_old.id;
      -- The old content becomes a version, unless none are kept, and the versions that are then too many go.
      v_version_bytes := v_old.size_bytes - v_replaced.freed_bytes;
      version_bytes := version_bytes + v_version_bytes;
      version_objects := version_objects + 1 - v_replaced.freed_objects;
      IF v_replaced.freed_objects > (v_space.versions_kept = 0)::int THEN
        WITH out AS (
          DELETE FROM file_versions WHERE id IN (
            SELECT v.id FROM file_versions v WHERE v.file_id = v_old.id ORDER BY v.id DESC OFFSET greatest(v_space.versions_kept - 1, 0)
          ) RETURNING object_key
        )
        INSERT INTO object_tombstones (object_key, origin, due_at) SELECT out.object_key, 'file', now() FROM out;
      END IF;
      IF v_space.versions_kept > 0 THEN
        INSERT INTO file_versions (id, space_id, file_id, object_key, size_bytes, sha256, etag, content_type, category, uploaded_at, status)
        VALUES (ledger_new_id(), p_space_id, v_old.id, v_old.object_key, v_old.size_bytes, v_old.sha256, v_old.etag,
                v_old.content_type, v_old.category, v_old.uploaded_at, v_old.status);
      ELSE
        INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_old.object_key, 'file', now());
      END IF;
      UPDATE files f
      SET object_key = v_key, size_bytes = v_item.size_bytes, sha256 = v_item.sha256, etag = v_item.etag,
          content_type = v_item.content_type, category = v_item.category, extension = v_item.extension,
          tags = ledger_commit_files.tags, status = coalesce(v_item.status, 'READY')::"FileStatus",
          has_thumbnails = false, uploaded_at = now(), modified_at = now()
      WHERE f.id = v_old.id;
    ELSE
      INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags, status)
      VALUES (file_id, p_space_id, ledger_commit_files.path, v_key, v_item.size_bytes, v_item.sha256, v_item.etag,
              v_item.content_type, v_item.category, v_item.extension, ledger_commit_files.tags,
              coalesce(v_item.status, 'READY')::"FileStatus");
    END IF;
    WITH entered AS (
      INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_version_bytes)
      VALUES (v_item.usage_id, p_space_id, requested_bytes, v_objects, CASE WHEN replaced THEN 'replace' ELSE coalesce(v_item.reason, 'upload') END,
              ledger_commit_files.file_id, ledger_commit_files.path, v_version_bytes)
    )
    INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
    VALUES (v_item.audit_id, v_item.action, v_item.actor_type, v_item.actor_id, v_item.access_key_id, 'file',
            ledger_commit_files.file_id::text, v_item.ip, v_item.user_agent, v_item.request_id,
            jsonb_build_object('fileName', path, 'sizeBytes', v_item.size_bytes, 'replaced', replaced) || coalesce(v_item.metadata, '{}'));
    IF v_item.media THEN
      -- What nothing could be made of is nothing as a copy, too.
      IF v_item.copied_from IS NOT NULL THEN
        SELECT m.* INTO v_known FROM file_media m WHERE m.object_key = v_item.copied_from AND (m.state = 'SKIPPED' OR m.is_final);
      END IF;
      INSERT INTO file_media (object_key, space_id, file_id, state, error, is_final)
      VALUES (v_key, p_space_id, ledger_commit_files.file_id, coalesce(v_known.state, 'PENDING'), v_known.error, coalesce(v_known.is_final, false));
    END IF;
    IF v_item.jobs IS NOT NULL THEN
      INSERT INTO job_outbox (id, job, payload, priority)
      SELECT j.id, j.name, jsonb_build_object('spaceId', p_space_id, 'fileId', ledger_commit_files.file_id, 'objectKey', v_key),
             CASE j.name WHEN 'media.process' THEN media_priority(p_space_id) ELSE 0 END
      FROM jsonb_to_recordset(v_item.jobs) AS j(id uuid, name text) WHERE j.name <> 'media.process' OR v_known.state IS NULL;
    END IF;
    IF v_upload.has_session THEN
      UPDATE upload_sessions SET state = 'COMPLETED', file_id = ledger_commit_files.file_id, completed_at = now() WHERE id = v_upload.id;
    END IF;
    IF v_item.idempotency_id IS NOT NULL THEN
      PERFORM idempotency_effect(v_item.idempotency_id, v_item.idempotency_attempt, 'file', ledger_commit_files.file_id::text);
    END IF;
    RETURN NEXT;
  END LOOP;

  UPDATE spaces s
  SET used_bytes = ledger_commit_files.used_bytes, used_objects = ledger_commit_files.used_objects,
      reserved_bytes = ledger_commit_files.reserved_bytes, reserved_objects = ledger_commit_files.reserved_objects,
      version_bytes = ledger_commit_files.version_bytes, version_objects = ledger_commit_files.version_objects, updated_at = now()
  WHERE s.id = p_space_id;
END $$;

CREATE OR REPLACE FUNCTION ledger_restore_version(p_space_id uuid, p_file_id uuid, p_version_id uuid, p_audit jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_file files%ROWTYPE;
  v_version file_versions%ROWTYPE;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT * INTO v_file FROM files WHERE id = p_file_id AND space_id = p_space_id AND deleted_at IS NULL;
  IF NOT FOUND THEN
    RETURN 'gone';
  END IF;
  DELETE FROM file_versions WHERE id = p_version_id AND file_id = p_file_id RETURNING * INTO v_version;
  IF NOT FOUND THEN
    RETURN 'no-version';
  END IF;
  INSERT INTO file_versions (id, space_id, file_id, object_key, size_bytes, sha256, etag, content_type, category, uploaded_at, status)
  VALUES (ledger_new_id(), p_space_id, v_file.id, v_file.object_key, v_file.size_bytes, v_file.sha256, v_file.etag,
          v_file.content_type, v_file.category, v_file.uploaded_at, v_file.status);
  UPDATE files
  SET object_key = v_version.object_key, size_bytes = v_version.size_bytes, sha256 = v_version.sha256, etag = v_version.etag,
      content_type = v_version.content_type, category = v_version.category, uploaded_at = v_version.uploaded_at, modified_at = now(),
      status = v_version.status,
      has_thumbnails = EXISTS (SELECT 1 FROM file_media m WHERE m.object_key = v_version.object_key AND m.thumbnails <> '{}')
  WHERE id = p_file_id;
  UPDATE spaces SET version_bytes = version_bytes + v_file.size_bytes - v_version.size_bytes, updated_at = now() WHERE id = p_space_id;
  INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_version_bytes)
  VALUES (ledger_new_id(), p_space_id, 0, 0, 'version_restore', p_file_id, v_file.path, v_file.size_bytes - v_version.size_bytes);
  PERFORM ledger_audit(p_audit, 'file.version_restore', 'file', p_file_id,
    jsonb_build_object('fileName', v_file.path, 'sizeBytes', v_version.size_bytes));
  RETURN 'restored';
END $$;

-- Contents -------------------------------------------------------------------------------------------------------------

-- Whatever buries a content buries what was made of it.
CREATE FUNCTION file_media_bury() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
BEGIN
  WITH gone AS (
    DELETE FROM file_media m USING added a WHERE m.object_key = a.object_key RETURNING m.thumbnails
  )
  SELECT array_agg(t.value->>'key') INTO v_keys FROM gone, jsonb_each(gone.thumbnails) t;
  -- Also ends the recursion: what is buried here has no media.
  IF v_keys IS NOT NULL THEN
    INSERT INTO object_tombstones (object_key, origin, due_at)
    SELECT key, 'file', now() FROM unnest(v_keys) key
    ON CONFLICT (object_key) DO UPDATE SET due_at = now();
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER object_tombstones_bury_media AFTER INSERT ON object_tombstones REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION file_media_bury();

-- Notes what reading a content has shown, of a file or of one of its versions: its SHA-256, and whether it is clean.
-- p_verdict: clean | infected | null (not asked). Answers false where nothing names the content any more.
CREATE FUNCTION content_checked(
  p_space_id uuid, p_object_key text, p_sha256 text, p_verdict text, p_reason text, p_media_job_id uuid, p_audit jsonb
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_file_id uuid;
  v_path text;
  v_was "FileStatus";
  v_status "FileStatus" := CASE p_verdict WHEN 'clean' THEN 'READY' WHEN 'infected' THEN 'QUARANTINED' END;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT f.id, f.path, f.status INTO v_file_id, v_path, v_was FROM files f WHERE f.object_key = p_object_key AND f.space_id = p_space_id;
  IF FOUND THEN
    UPDATE files SET sha256 = coalesce(sha256, p_sha256), status = CASE status WHEN 'PROCESSING' THEN coalesce(v_status, status) ELSE status END
    WHERE id = v_file_id;
  ELSE
    SELECT v.file_id, f.path, v.status INTO v_file_id, v_path, v_was
    FROM file_versions v JOIN files f ON f.id = v.file_id WHERE v.object_key = p_object_key AND v.space_id = p_space_id;
    IF NOT FOUND THEN
      RETURN false;
    END IF;
    UPDATE file_versions SET sha256 = coalesce(sha256, p_sha256), status = CASE status WHEN 'PROCESSING' THEN coalesce(v_status, status) ELSE status END
    WHERE object_key = p_object_key;
  END IF;
  IF v_was = 'PROCESSING' AND p_verdict = 'infected' THEN
    UPDATE file_media SET state = 'SKIPPED', error = 'quarantined', updated_at = now() WHERE object_key = p_object_key;
    PERFORM ledger_audit(p_audit, 'file.quarantine', 'file', v_file_id, jsonb_strip_nulls(jsonb_build_object('fileName', v_path, 'reason', p_reason)));
  ELSIF v_was = 'PROCESSING' AND p_verdict = 'clean' THEN
    INSERT INTO job_outbox (id, job, payload, priority)
    SELECT p_media_job_id, 'media.process', jsonb_build_object('spaceId', p_space_id, 'fileId', v_file_id, 'objectKey', p_object_key),
           media_priority(p_space_id)
    FROM file_media m WHERE m.object_key = p_object_key AND m.state = 'PENDING';
  END IF;
  RETURN true;
END $$;

-- Notes what a worker has made of a content. The thumbnails were stored on the strength of their tombstones, which go here.
-- p_thumbnails: { size: { key, width, height, sizeBytes } }. Answers false where the content is gone or a thumbnail's removal has begun:
-- then nothing is noted and the tombstones do their work.
CREATE FUNCTION media_processed(
  p_space_id uuid, p_object_key text, p_state text, p_error text, p_metadata jsonb, p_search_text text, p_thumbnails jsonb
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_before jsonb;
  v_keys text[] := ARRAY(SELECT t.value->>'key' FROM jsonb_each(p_thumbnails) t);
  v_fulfilled bigint;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT thumbnails INTO v_before FROM file_media WHERE object_key = p_object_key AND space_id = p_space_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- All or none: locked first, since a purge may be about to take one up.
  SELECT count(*) INTO v_fulfilled FROM (
    SELECT 1 FROM object_tombstones WHERE object_key = ANY(v_keys) AND attempts = 0 FOR UPDATE
  ) t;
  IF v_fulfilled <> cardinality(v_keys) THEN
    RETURN false;
  END IF;
  DELETE FROM object_tombstones WHERE object_key = ANY(v_keys);
  -- A handler may run twice: what the run before has made goes.
  INSERT INTO object_tombstones (object_key, origin, due_at)
  SELECT t.value->>'key', 'file', now() FROM jsonb_each(v_before) t WHERE NOT t.value->>'key' = ANY(v_keys)
  ON CONFLICT (object_key) DO UPDATE SET due_at = now();
  UPDATE file_media
  SET state = p_state, error = p_error, is_final = false, metadata = p_metadata, search_text = p_search_text, thumbnails = p_thumbnails, updated_at = now()
  WHERE object_key = p_object_key;
  UPDATE files SET has_thumbnails = (p_thumbnails <> '{}')
  WHERE object_key = p_object_key AND space_id = p_space_id AND has_thumbnails <> (p_thumbnails <> '{}');
  RETURN true;
END $$;
