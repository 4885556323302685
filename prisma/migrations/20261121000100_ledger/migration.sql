-- The quota ledger: reserve -> transfer -> commit | release.
--
-- Each function is called as one statement of its own, and its first act is to lock the space's row. PL/pgSQL takes a
-- new snapshot for each statement inside, so whatever is read after the lock is exact: names, sizes, reservations and
-- counters of a space change only under its lock. All functions lock in the one order space -> upload -> file, so they
-- cannot deadlock. `reserve` and `commit` take several uploads of one space at once: one lock and one flush of the log
-- then serve all that arrived together (ADR 0003).
--
-- Names of a batch are looked up by a subquery each, never by a join: a join planned while a table had no statistics
-- scanned the whole space for each batch.

-- Frees what the holders of overdue leases still hold. Their objects are removed a minute later, when a transfer that
-- was under way as its process died has ended as well. Answers how many uploads were overdue.
CREATE FUNCTION ledger_expire(p_space_id uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_expired bigint := 0;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  WITH stale AS (
    DELETE FROM uploads WHERE space_id = p_space_id AND lease_expires_at <= now()
    RETURNING object_key, reserved_bytes, reserved_objects
  ), buried AS (
    INSERT INTO object_tombstones (object_key, origin, due_at)
    SELECT object_key, 'upload', now() + interval '60 seconds' FROM stale
  ), freed AS (
    SELECT coalesce(sum(reserved_bytes), 0) AS bytes, coalesce(sum(reserved_objects), 0) AS objects, count(*) AS n FROM stale
  )
  UPDATE spaces s
  SET reserved_bytes = s.reserved_bytes - freed.bytes, reserved_objects = s.reserved_objects - freed.objects
  FROM freed WHERE s.id = p_space_id AND freed.n > 0
  RETURNING freed.n INTO v_expired;
  RETURN coalesce(v_expired, 0);
END $$;

-- Holds bytes and objects for an upload; false when they do not fit. The one place where room is given out.
CREATE FUNCTION ledger_hold(p_space_id uuid, p_bytes bigint, p_objects bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  FOR v_try IN 1..2 LOOP
    UPDATE spaces
    SET reserved_bytes = reserved_bytes + p_bytes, reserved_objects = reserved_objects + p_objects
    WHERE id = p_space_id
      AND (p_bytes <= 0 OR used_bytes + reserved_bytes + p_bytes <= quota_bytes)
      AND (p_objects <= 0 OR used_objects + reserved_objects + p_objects <= quota_objects);
    IF FOUND THEN
      RETURN true;
    END IF;
    -- Nobody is refused for the sake of an upload whose process is dead.
    EXIT WHEN ledger_expire(p_space_id) = 0;
  END LOOP;
  RETURN false;
END $$;

-- p_items: [{ id, path, conflict, object_key, content_type, bytes }]
-- outcome: reserved | exists (file_id names it) | refused (requested_* say what did not fit) | gone (no such space)
CREATE FUNCTION ledger_reserve(p_space_id uuid, p_items jsonb, p_lease_seconds integer)
RETURNS TABLE (
  upload_id uuid, outcome text, file_id uuid, requested_bytes bigint, requested_objects bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_item record;
  v_existing_bytes bigint;
  v_reserved bigint;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;

  -- Nearly always all of them fit: then one statement does it for the whole batch.
  IF NOT p_items @> '[{"conflict": "fail"}]' THEN
    WITH item AS MATERIALIZED (
      SELECT named.*, greatest(0, bytes - coalesce(existing_bytes, 0)) AS need_bytes, (existing_bytes IS NULL)::int AS need_objects
      FROM (
        SELECT i.*, CASE WHEN i.conflict <> 'keepBoth' THEN (
          SELECT f.size_bytes FROM files f WHERE f.space_id = p_space_id AND f.path = i.path AND f.deleted_at IS NULL
        ) END AS existing_bytes
        FROM jsonb_to_recordset(p_items)
          AS i(id uuid, path text, conflict text, object_key text, content_type text, bytes bigint)
      ) named
    ), held AS (
      UPDATE spaces s
      SET reserved_bytes = s.reserved_bytes + need.bytes, reserved_objects = s.reserved_objects + need.objects
      FROM (SELECT sum(need_bytes)::bigint AS bytes, sum(need_objects) AS objects FROM item) need
      WHERE s.id = p_space_id
        AND (need.bytes = 0 OR s.used_bytes + s.reserved_bytes + need.bytes <= s.quota_bytes)
        AND (need.objects = 0 OR s.used_objects + s.reserved_objects + need.objects <= s.quota_objects)
      RETURNING s.id
    )
    INSERT INTO uploads (id, space_id, path, conflict, object_key, content_type, expected_bytes, reserved_bytes, reserved_objects, lease_expires_at)
    SELECT item.id, held.id, item.path, item.conflict, item.object_key, item.content_type, item.bytes, item.need_bytes,
           item.need_objects, now() + make_interval(secs => p_lease_seconds)
    FROM item, held;
    GET DIAGNOSTICS v_reserved = ROW_COUNT;
    IF v_reserved > 0 THEN
      outcome := 'reserved';
      FOR upload_id IN SELECT (i->>'id')::uuid FROM jsonb_array_elements(p_items) i LOOP
        RETURN NEXT;
      END LOOP;
      RETURN;
    END IF;
  END IF;

  -- At the edge of the quota each is asked for alone, in the order of arrival.
  FOR v_item IN
    SELECT * FROM jsonb_to_recordset(p_items)
      AS i(id uuid, path text, conflict text, object_key text, content_type text, bytes bigint)
  LOOP
    upload_id := v_item.id;
    file_id := NULL;
    v_existing_bytes := NULL;
    IF v_item.conflict <> 'keepBoth' THEN
      SELECT f.id, f.size_bytes INTO file_id, v_existing_bytes
      FROM files f WHERE f.space_id = p_space_id AND f.path = v_item.path AND f.deleted_at IS NULL;
    END IF;
    -- A replacement counts the difference.
    requested_bytes := greatest(0, v_item.bytes - coalesce(v_existing_bytes, 0));
    requested_objects := CASE WHEN file_id IS NULL THEN 1 ELSE 0 END;
    IF file_id IS NOT NULL AND v_item.conflict = 'fail' THEN
      outcome := 'exists';
    ELSIF ledger_hold(p_space_id, requested_bytes, requested_objects) THEN
      outcome := 'reserved';
      INSERT INTO uploads (id, space_id, path, conflict, object_key, content_type, expected_bytes, reserved_bytes, reserved_objects, lease_expires_at)
      VALUES (v_item.id, p_space_id, v_item.path, v_item.conflict, v_item.object_key, v_item.content_type, v_item.bytes,
              requested_bytes, requested_objects, now() + make_interval(secs => p_lease_seconds));
    ELSE
      outcome := 'refused';
    END IF;
    SELECT s.quota_bytes, s.quota_objects, s.used_bytes, s.used_objects, s.reserved_bytes, s.reserved_objects
    INTO quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
    FROM spaces s WHERE s.id = p_space_id;
    IF NOT FOUND THEN
      outcome := 'gone';
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- More bytes have come than were expected. outcome: grown | refused | gone (released or expired meanwhile)
CREATE FUNCTION ledger_grow(p_space_id uuid, p_upload_id uuid, p_bytes bigint, p_lease_seconds integer)
RETURNS TABLE (
  outcome text, requested_bytes bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_upload uploads%ROWTYPE;
  v_existing_bytes bigint;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT u.* INTO v_upload FROM uploads u WHERE u.id = p_upload_id AND u.space_id = p_space_id;
  IF NOT FOUND THEN
    outcome := 'gone';
  ELSE
    IF v_upload.conflict = 'replace' THEN
      SELECT f.size_bytes INTO v_existing_bytes
      FROM files f WHERE f.space_id = p_space_id AND f.path = v_upload.path AND f.deleted_at IS NULL;
    END IF;
    requested_bytes := greatest(0, v_upload.expected_bytes + p_bytes - coalesce(v_existing_bytes, 0)) - v_upload.reserved_bytes;
    IF ledger_hold(p_space_id, requested_bytes, 0) THEN
      outcome := 'grown';
      UPDATE uploads u
      SET expected_bytes = u.expected_bytes + p_bytes, reserved_bytes = u.reserved_bytes + requested_bytes,
          lease_expires_at = now() + make_interval(secs => p_lease_seconds)
      WHERE u.id = p_upload_id;
    ELSE
      outcome := 'refused';
    END IF;
  END IF;
  SELECT s.quota_bytes, s.quota_objects, s.used_bytes, s.used_objects, s.reserved_bytes, s.reserved_objects
  INTO quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
  FROM spaces s WHERE s.id = p_space_id;
  RETURN NEXT;
END $$;

-- Buries an object whose upload is gone: its lease had ended, the sweep released it, and yet its process has come to its
-- end later than the purge, so there may be an object again that nothing knows of.
CREATE FUNCTION ledger_bury_late(p_object_key text) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO object_tombstones (object_key, origin, due_at)
  SELECT p_object_key, 'upload', now()
  WHERE NOT EXISTS (SELECT 1 FROM files WHERE object_key = p_object_key)
  ON CONFLICT (object_key) DO UPDATE SET due_at = now();
$$;

-- Gives back what an upload holds and buries whatever it may have stored, also when it was released before.
CREATE FUNCTION ledger_release(p_space_id uuid, p_upload_id uuid, p_object_key text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_upload uploads%ROWTYPE;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  DELETE FROM uploads WHERE id = p_upload_id AND space_id = p_space_id RETURNING * INTO v_upload;
  IF NOT FOUND THEN
    PERFORM ledger_bury_late(p_object_key);
    RETURN;
  END IF;
  UPDATE spaces
  SET reserved_bytes = reserved_bytes - v_upload.reserved_bytes, reserved_objects = reserved_objects - v_upload.reserved_objects
  WHERE id = p_space_id;
  INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_upload.object_key, 'upload', now());
END $$;

-- The first free name of `name (1).ext`, `name (2).ext`, ...: gallops, then halves, so that ten thousand namesakes
-- cost some twenty look-ups. With gaps in the numbering it answers a free name, not always the lowest.
CREATE FUNCTION ledger_free_path(p_space_id uuid, p_path text, p_stem text, p_suffix text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_taken bigint := 0;
  v_free bigint := 1;
  v_middle bigint;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM files WHERE space_id = p_space_id AND path = p_path AND deleted_at IS NULL) THEN
    RETURN p_path;
  END IF;
  WHILE EXISTS (SELECT 1 FROM files WHERE space_id = p_space_id AND path = p_stem || ' (' || v_free || ')' || p_suffix AND deleted_at IS NULL) LOOP
    v_taken := v_free;
    v_free := v_free * 2;
  END LOOP;
  WHILE v_free - v_taken > 1 LOOP
    v_middle := (v_taken + v_free) / 2;
    IF EXISTS (SELECT 1 FROM files WHERE space_id = p_space_id AND path = p_stem || ' (' || v_middle || ')' || p_suffix AND deleted_at IS NULL) THEN
      v_taken := v_middle;
    ELSE
      v_free := v_middle;
    END IF;
  END LOOP;
  RETURN p_stem || ' (' || v_free || ')' || p_suffix;
END $$;

-- Makes stored objects into files: names, counters, byte ledger, audit and tombstones of what was replaced, or nothing.
-- p_items: [{ upload_id, object_key, file_id, usage_id, audit_id, stem, suffix, size_bytes, sha256, etag, content_type, category, extension,
--             tags (null keeps a replaced file's), action, actor_type, actor_id, access_key_id, ip, user_agent, request_id }]
-- outcome: committed | exists | refused (grew past its reservation and no longer fits) | gone (released or expired)
-- An upload that ends as exists or refused is released here. The counters in each row are those after its item.
CREATE FUNCTION ledger_commit(p_space_id uuid, p_items jsonb)
RETURNS TABLE (
  upload_id uuid, outcome text, file_id uuid, path text, replaced boolean, tags text[],
  uploaded_at timestamptz, requested_bytes bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_item record;
  v_upload uploads%ROWTYPE;
  v_old_id uuid;
  v_old_bytes bigint;
  v_old_key text;
  v_objects bigint;
  v_metadata jsonb;
BEGIN
  -- The row is locked, so the counters are ours until the end: they are reckoned here and written once for the batch.
  SELECT s.quota_bytes, s.quota_objects, s.used_bytes, s.used_objects, s.reserved_bytes, s.reserved_objects
  INTO quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
  FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;

  FOR v_item IN
    SELECT * FROM jsonb_to_recordset(p_items)
      AS i(upload_id uuid, object_key text, file_id uuid, usage_id uuid, audit_id uuid, stem text, suffix text, size_bytes bigint, sha256 text,
           etag text, content_type text, category text, extension text, tags text[], action text, actor_type text,
           actor_id uuid, access_key_id text, ip text, user_agent text, request_id text)
  LOOP
    upload_id := v_item.upload_id;
    file_id := v_item.file_id;
    -- As the column rounds it: the answer and a later read must show the same time.
    uploaded_at := now()::timestamptz(3);
    tags := coalesce(v_item.tags, '{}');
    v_old_id := NULL; v_old_bytes := NULL; v_old_key := NULL;

    DELETE FROM uploads u WHERE u.id = v_item.upload_id AND u.space_id = p_space_id RETURNING u.* INTO v_upload;
    IF NOT FOUND THEN
      PERFORM ledger_bury_late(v_item.object_key);
      outcome := 'gone';
      RETURN NEXT;
      CONTINUE;
    END IF;
    path := v_upload.path;
    IF v_upload.conflict = 'keepBoth' THEN
      path := ledger_free_path(p_space_id, v_upload.path, v_item.stem, v_item.suffix);
    ELSE
      SELECT f.id, f.size_bytes, f.object_key, coalesce(v_item.tags, f.tags) INTO v_old_id, v_old_bytes, v_old_key, tags
      FROM files f WHERE f.space_id = p_space_id AND f.path = v_upload.path AND f.deleted_at IS NULL;
      tags := coalesce(tags, v_item.tags, '{}');
    END IF;
    replaced := v_old_id IS NOT NULL;
    requested_bytes := v_item.size_bytes - coalesce(v_old_bytes, 0);
    v_objects := CASE WHEN replaced THEN 0 ELSE 1 END;
    reserved_bytes := reserved_bytes - v_upload.reserved_bytes;
    reserved_objects := reserved_objects - v_upload.reserved_objects;

    IF replaced AND v_upload.conflict = 'fail' THEN
      outcome := 'exists';
      file_id := v_old_id;
    -- What was reserved always fits; what goes beyond it (a replaced file was deleted meanwhile) has to fit now.
    ELSIF (requested_bytes <= v_upload.reserved_bytes OR used_bytes + reserved_bytes + requested_bytes <= quota_bytes)
      AND (v_objects <= v_upload.reserved_objects OR used_objects + reserved_objects + v_objects <= quota_objects) THEN
      outcome := 'committed';
      used_bytes := used_bytes + requested_bytes;
      used_objects := used_objects + v_objects;
    ELSE
      outcome := 'refused';
    END IF;

    IF outcome <> 'committed' THEN
      INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_upload.object_key, 'upload', now());
      RETURN NEXT;
      CONTINUE;
    END IF;
    IF replaced THEN
      file_id := v_old_id;
      INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_old_key, 'file', now());
      UPDATE files f
      SET object_key = v_upload.object_key, size_bytes = v_item.size_bytes, sha256 = v_item.sha256, etag = v_item.etag,
          content_type = v_item.content_type, category = v_item.category, extension = v_item.extension,
          tags = ledger_commit.tags, status = 'READY', uploaded_at = now(), modified_at = now()
      WHERE f.id = v_old_id;
    ELSE
      INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags)
      VALUES (file_id, p_space_id, ledger_commit.path, v_upload.object_key, v_item.size_bytes, v_item.sha256, v_item.etag,
              v_item.content_type, v_item.category, v_item.extension, ledger_commit.tags);
    END IF;
    v_metadata := jsonb_build_object('fileName', path, 'sizeBytes', v_item.size_bytes, 'replaced', replaced);
    WITH entered AS (
      INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path)
      VALUES (v_item.usage_id, p_space_id, requested_bytes, v_objects, CASE WHEN replaced THEN 'replace' ELSE 'upload' END,
              ledger_commit.file_id, ledger_commit.path)
    )
    INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
    VALUES (v_item.audit_id, v_item.action, v_item.actor_type, v_item.actor_id, v_item.access_key_id, 'file',
            ledger_commit.file_id::text, v_item.ip, v_item.user_agent, v_item.request_id, v_metadata);
    RETURN NEXT;
  END LOOP;

  UPDATE spaces s
  SET used_bytes = ledger_commit.used_bytes, used_objects = ledger_commit.used_objects,
      reserved_bytes = ledger_commit.reserved_bytes, reserved_objects = ledger_commit.reserved_objects, updated_at = now()
  WHERE s.id = p_space_id;
END $$;

-- Takes files out of a space: rows gone, usage down, objects buried, ledger and audit written.
-- p_items: [{ path, usage_id, audit_id }], each path once; p_audit: what all entries share. Answers the files that were there.
CREATE FUNCTION ledger_delete(p_space_id uuid, p_items jsonb, p_audit jsonb)
RETURNS TABLE (file_id uuid, path text, size_bytes bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  RETURN QUERY
  WITH item AS MATERIALIZED (
    SELECT i.*, (
      SELECT f.id FROM files f WHERE f.space_id = p_space_id AND f.path = i.path AND f.deleted_at IS NULL
    ) AS id
    FROM jsonb_to_recordset(p_items) AS i(path text, usage_id uuid, audit_id uuid)
  ), gone AS (
    DELETE FROM files f USING item WHERE f.id = item.id AND f.space_id = p_space_id
    RETURNING f.id, f.path, f.size_bytes, f.object_key, item.usage_id, item.audit_id
  ), buried AS (
    INSERT INTO object_tombstones (object_key, origin, due_at) SELECT g.object_key, 'file', now() FROM gone g
  ), freed AS (
    SELECT sum(g.size_bytes) AS bytes, count(*) AS objects FROM gone g
  ), counted AS (
    UPDATE spaces s
    SET used_bytes = s.used_bytes - freed.bytes, used_objects = s.used_objects - freed.objects, updated_at = now()
    FROM freed WHERE s.id = p_space_id AND freed.objects > 0
  ), entered AS (
    INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path)
    SELECT g.usage_id, p_space_id, -g.size_bytes, -1, 'delete', g.id, g.path FROM gone g
  ), audited AS (
    INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
    SELECT g.audit_id, 'file.delete', a.actor_type, a.actor_id, a.access_key_id, 'file', g.id::text, a.ip, a.user_agent, a.request_id,
           jsonb_build_object('fileName', g.path, 'sizeBytes', g.size_bytes)
    FROM gone g, jsonb_to_record(p_audit)
      AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text)
  )
  SELECT g.id, g.path, g.size_bytes FROM gone g;
END $$;
