-- Only what takes a moment under its locks; indexes on tables that are large come in the next migration, while the
-- service runs. A table that is busy for longer fails the start, which can be repeated, instead of stopping all requests.
SET LOCAL lock_timeout = '10s';

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "revoked_with_account" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "deletion_by_admin" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "deletion_due_at" TIMESTAMPTZ(3),
ADD COLUMN     "deletion_requested_at" TIMESTAMPTZ(3),
ADD COLUMN     "erasure_started_at" TIMESTAMPTZ(3),
ADD COLUMN     "login_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "photo_key" TEXT;

-- CreateTable: UNLOGGED, because a lost count costs nothing and a log flush at every login attempt does.
CREATE UNLOGGED TABLE "rate_limits" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL DEFAULT 0,
    "expire" BIGINT,

    CONSTRAINT "rate_limits_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE INDEX "rate_limits_expire_idx" ON "rate_limits"("expire");



-- What Prisma's schema language cannot say.

ALTER TABLE "users" ADD CONSTRAINT "users_deletion_is_whole"
  CHECK (("deletion_requested_at" IS NULL) = ("deletion_due_at" IS NULL)
    AND ("deletion_due_at" IS NOT NULL OR (NOT "deletion_by_admin" AND "erasure_started_at" IS NULL))) NOT VALID;

-- A later year has five digits, which drivers cannot read: one such row would break every list that it stands in.
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_expiry_readable" CHECK ("expires_at" < '9999-12-31 23:59:59.999Z') NOT VALID;
ALTER TABLE "api_key_requests" ADD CONSTRAINT "api_key_requests_expiry_readable" CHECK ("key_expires_at" < '9999-12-31 23:59:59.999Z') NOT VALID;

-- The audit log is append-only. The trigger holds whoever the database user is; a user who is denied UPDATE and DELETE
-- needs neither: the two exceptions below run with the rights of the migration's user.
CREATE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('pockity.audit_maintenance', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'audit_logs is append-only' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE ON "audit_logs"
  FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_logs_never_truncated BEFORE TRUNCATE ON "audit_logs"
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Retention: removes up to p_limit of the oldest entries from before p_before; answers how many. Never anything of the
-- last day, whoever asks.
CREATE FUNCTION audit_purge(p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET pockity.audit_maintenance = 'on' AS $$
DECLARE
  v_purged bigint;
BEGIN
  DELETE FROM audit_logs WHERE id IN (
    SELECT id FROM audit_logs ORDER BY id LIMIT p_limit
  ) AND created_at < least(p_before, now() - interval '1 day');
  GET DIAGNOSTICS v_purged = ROW_COUNT;
  RETURN v_purged;
END $$;

-- Erasure: what a person did stays, who it was does not. In up to p_limit entries after p_after that the person or one of
-- the person's keys made, or that are about the person: takes out addresses, user agents and request ids (a client's own
-- may be anything) where the person acted, or nobody who is known, and every text in the metadata that may be personal.
-- Where somebody else acted, as an admin, from where is kept. What is left of the person is the bare id, which names nobody
-- once the account is gone. Answers the last id, null at the end.
CREATE FUNCTION audit_pseudonymise(p_user_id uuid, p_access_key_ids text[], p_after uuid, p_limit integer) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET pockity.audit_maintenance = 'on' AS $$
DECLARE
  v_last uuid;
BEGIN
  IF EXISTS (SELECT 1 FROM users WHERE id = p_user_id AND erasure_started_at IS NULL) THEN
    RAISE EXCEPTION 'the account is not being erased';
  END IF;
  IF EXISTS (SELECT 1 FROM api_keys WHERE access_key_id = ANY(p_access_key_ids) AND user_id <> p_user_id) THEN
    RAISE EXCEPTION 'a key belongs to somebody else';
  END IF;
  WITH page AS MATERIALIZED (
    SELECT id, actor_type NOT IN ('user', 'admin', 'key') OR actor_id IS NOT DISTINCT FROM p_user_id AS own
    FROM audit_logs
    WHERE id > p_after AND (actor_id = p_user_id OR subject_id = p_user_id::text OR access_key_id = ANY(p_access_key_ids))
    ORDER BY id LIMIT p_limit
  ), stripped AS (
    UPDATE audit_logs a
    SET ip = CASE WHEN page.own THEN NULL ELSE a.ip END,
        user_agent = CASE WHEN page.own THEN NULL ELSE a.user_agent END,
        request_id = CASE WHEN page.own THEN NULL ELSE a.request_id END,
        metadata = coalesce((
          SELECT jsonb_object_agg(key, value) FROM jsonb_each(a.metadata)
          WHERE jsonb_typeof(value) IN ('number', 'boolean') OR key IN ('from', 'to', 'reason', 'requestType', 'limit')
        ), '{}')
    FROM page WHERE a.id = page.id
  )
  SELECT max(id::text)::uuid INTO v_last FROM page;
  RETURN v_last;
END $$;

-- Erasure of a space: takes out up to p_limit files and all uploads, buries their objects and brings the counters down.
-- Without entries in audit and byte ledger, which say one thing for the whole account. Answers how many it took out.
CREATE FUNCTION ledger_erase(p_space_id uuid, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_uploads bigint;
  v_files bigint;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  WITH gone AS (
    DELETE FROM uploads WHERE space_id = p_space_id RETURNING object_key, reserved_bytes, reserved_objects
  ), buried AS (
    -- A transfer may be under way still: as after an expired lease.
    INSERT INTO object_tombstones (object_key, origin, due_at)
    SELECT object_key, 'upload', now() + interval '60 seconds' FROM gone
  ), freed AS (
    SELECT coalesce(sum(reserved_bytes), 0) AS bytes, coalesce(sum(reserved_objects), 0) AS objects, count(*) AS n FROM gone
  ), counted AS (
    UPDATE spaces s
    SET reserved_bytes = s.reserved_bytes - freed.bytes, reserved_objects = s.reserved_objects - freed.objects
    FROM freed WHERE s.id = p_space_id AND freed.n > 0
  )
  SELECT n INTO v_uploads FROM freed;
  WITH gone AS (
    DELETE FROM files WHERE id IN (SELECT id FROM files WHERE space_id = p_space_id LIMIT p_limit)
    RETURNING object_key, size_bytes, deleted_at
  ), buried AS (
    INSERT INTO object_tombstones (object_key, origin, due_at) SELECT object_key, 'file', now() FROM gone
  ), freed AS (
    SELECT coalesce(sum(size_bytes), 0) AS bytes, count(*) AS n FROM gone
  ), counted AS (
    UPDATE spaces s
    SET used_bytes = s.used_bytes - freed.bytes, used_objects = s.used_objects - freed.n, updated_at = now()
    FROM freed WHERE s.id = p_space_id AND freed.n > 0
  )
  SELECT n INTO v_files FROM freed;
  RETURN v_uploads + v_files;
END $$;
