-- The ledger's second part: trash, versions, folders, moves and reservations. As in the first part, each function is one
-- statement for its caller and locks the space's row first, so that the order of all other rows is its own affair.
SET LOCAL lock_timeout = '1s';
-- For the triggers, in the order in which requests take them; readers go on.
LOCK TABLE files, usage_entries IN SHARE ROW EXCLUSIVE MODE;

-- Ids --------------------------------------------------------------------------------------------------------------

-- A UUIDv7 (RFC 9562, method 3: microseconds too, so that versions made within one millisecond keep their order);
-- PostgreSQL has its own only since 18.
CREATE FUNCTION ledger_new_id() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex(us / 1000), 12, '0') || to_hex(28672 + us % 1000 * 4096 / 1000) || substr(gen_random_uuid()::text, 20))::uuid
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) clock
$$;

-- Names ------------------------------------------------------------------------------------------------------------

-- The folder that a path lies in: without its last segment; empty directly in the space. Part of indexes: never change it.
CREATE FUNCTION path_parent(p_path text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT regexp_replace(p_path, '/?[^/]*$', '') $$;

-- The same as a place among all folders: what lies below a folder follows it at once. Part of indexes: never change it.
CREATE FUNCTION path_folder_key(p_path text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT translate(regexp_replace(p_path, '/?[^/]*$', ''), '/', chr(1)) $$;

-- What a file is found by: each tag, and of each `key=value` the key alone too. Part of indexes: never change it.
CREATE FUNCTION tag_terms(p_tags text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT p_tags || ARRAY(SELECT split_part(tag, '=', 1) FROM unnest(p_tags) tag WHERE tag LIKE '%=%')
$$;

-- `ledger_free_path` as far as a name may be long; null when no number fits any more.
CREATE FUNCTION ledger_free_name(p_space_id uuid, p_path text, p_stem text, p_suffix text) RETURNS text
LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN octet_length(name) <= 1024 THEN name END FROM ledger_free_path(p_space_id, p_path, p_stem, p_suffix) name
$$;

-- Rollups: whatever changes files or the byte ledger, these follow in the same statement. ---------------------------

CREATE FUNCTION roll_up_categories() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO space_categories AS c (space_id, category, files, bytes)
    SELECT space_id, category, count(*), sum(size_bytes) FROM added WHERE deleted_at IS NULL GROUP BY space_id, category
    ON CONFLICT (space_id, category) DO UPDATE SET files = c.files + excluded.files, bytes = c.bytes + excluded.bytes;
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    UPDATE space_categories c SET files = c.files - gone.files, bytes = c.bytes - gone.bytes
    FROM (
      SELECT space_id, category, count(*) AS files, sum(size_bytes) AS bytes FROM removed WHERE deleted_at IS NULL GROUP BY space_id, category
    ) gone WHERE c.space_id = gone.space_id AND c.category = gone.category;
    RETURN NULL;
  END IF;
  INSERT INTO space_categories AS c (space_id, category, files, bytes)
  SELECT space_id, category, sum(files), sum(bytes) FROM (
    SELECT space_id, category, count(*) AS files, sum(size_bytes) AS bytes FROM added WHERE deleted_at IS NULL GROUP BY space_id, category
    UNION ALL
    SELECT space_id, category, -count(*), -sum(size_bytes) FROM removed WHERE deleted_at IS NULL GROUP BY space_id, category
  ) change GROUP BY space_id, category HAVING sum(files) <> 0 OR sum(bytes) <> 0
  ON CONFLICT (space_id, category) DO UPDATE SET files = c.files + excluded.files, bytes = c.bytes + excluded.bytes;
  RETURN NULL;
END $$;

CREATE TRIGGER files_added AFTER INSERT ON files REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION roll_up_categories();
CREATE TRIGGER files_changed AFTER UPDATE ON files REFERENCING OLD TABLE AS removed NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION roll_up_categories();
CREATE TRIGGER files_removed AFTER DELETE ON files REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION roll_up_categories();

CREATE FUNCTION roll_up_usage() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO usage_daily AS d (space_id, day, added_bytes, removed_bytes, added_objects, removed_objects)
  SELECT space_id, (created_at AT TIME ZONE 'UTC')::date, sum(greatest(delta_bytes, 0)), sum(greatest(-delta_bytes, 0)),
         sum(greatest(delta_objects, 0)), sum(greatest(-delta_objects, 0))
  FROM added WHERE delta_bytes <> 0 OR delta_objects <> 0 GROUP BY 1, 2
  ON CONFLICT (space_id, day) DO UPDATE
  SET added_bytes = d.added_bytes + excluded.added_bytes, removed_bytes = d.removed_bytes + excluded.removed_bytes,
      added_objects = d.added_objects + excluded.added_objects, removed_objects = d.removed_objects + excluded.removed_objects;
  RETURN NULL;
END $$;

CREATE TRIGGER usage_entered AFTER INSERT ON usage_entries REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION roll_up_usage();

-- Audit ------------------------------------------------------------------------------------------------------------

-- p_audit: { actor_type, actor_id, access_key_id, ip, user_agent, request_id, metadata? (joins each entry's own) }
CREATE FUNCTION ledger_audit(p_audit jsonb, p_action text, p_subject_type text, p_subject_id uuid, p_metadata jsonb) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
  SELECT ledger_new_id(), p_action, a.actor_type, a.actor_id, a.access_key_id, p_subject_type, p_subject_id::text, a.ip,
         a.user_agent, a.request_id, p_metadata || coalesce(a.metadata, '{}')
  FROM jsonb_to_record(p_audit)
    AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb)
$$;

-- Reservations -----------------------------------------------------------------------------------------------------

-- Gives back what an upload held and did not use: to the reservation that it was drawn from while that lives, else to the
-- space. A drop that may take no further file gives its last bytes back to the space. Answers what the space's reserved
-- counters go down by. The space is locked.
CREATE FUNCTION ledger_give_back(
  p_reservation_id uuid, p_held_bytes bigint, p_held_objects bigint, p_used_bytes bigint, p_used_objects bigint,
  OUT bytes bigint, OUT objects bigint
)
LANGUAGE plpgsql AS $$
BEGIN
  bytes := p_held_bytes;
  objects := p_held_objects;
  IF p_reservation_id IS NOT NULL THEN
    UPDATE reservations
    SET held_bytes = held_bytes + p_held_bytes - p_used_bytes, held_objects = held_objects + p_held_objects - p_used_objects
    WHERE id = p_reservation_id;
    IF FOUND THEN
      bytes := p_used_bytes;
      objects := p_used_objects;
      WITH ended AS (
        SELECT r.id, r.held_bytes FROM reservations r
        WHERE r.id = p_reservation_id AND r.held_objects = 0 AND r.held_bytes > 0
          AND EXISTS (SELECT 1 FROM share_links l WHERE l.reservation_id = r.id)
          AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.space_id = r.space_id AND u.reservation_id = r.id)
      ), emptied AS (
        UPDATE reservations r SET held_bytes = 0 FROM ended WHERE r.id = ended.id
      )
      SELECT bytes + coalesce(sum(ended.held_bytes), 0) INTO bytes FROM ended;
    END IF;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION ledger_expire(p_space_id uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_expired bigint := 0;
  v_upload record;
  v_freed record;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  FOR v_upload IN
    DELETE FROM uploads WHERE space_id = p_space_id AND lease_expires_at <= now()
    RETURNING object_key, reserved_bytes, reserved_objects, reservation_id
  LOOP
    v_expired := v_expired + 1;
    -- The object is removed a minute later, when a transfer that was under way as its process died has ended as well.
    INSERT INTO object_tombstones (object_key, origin, due_at)
    VALUES (v_upload.object_key, 'upload', now() + interval '60 seconds');
    SELECT * INTO v_freed FROM ledger_give_back(v_upload.reservation_id, v_upload.reserved_bytes, v_upload.reserved_objects, 0, 0);
    UPDATE spaces SET reserved_bytes = reserved_bytes - v_freed.bytes, reserved_objects = reserved_objects - v_freed.objects
    WHERE id = p_space_id;
  END LOOP;
  FOR v_freed IN
    DELETE FROM reservations WHERE space_id = p_space_id AND expires_at <= now() RETURNING held_bytes, held_objects
  LOOP
    v_expired := v_expired + 1;
    UPDATE spaces SET reserved_bytes = reserved_bytes - v_freed.held_bytes, reserved_objects = reserved_objects - v_freed.held_objects
    WHERE id = p_space_id;
  END LOOP;
  RETURN v_expired;
END $$;

-- The same as `ledger_hold(space, bytes, objects)`, out of a reservation where one is named.
CREATE FUNCTION ledger_hold(p_space_id uuid, p_bytes bigint, p_objects bigint, p_reservation_id uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF p_reservation_id IS NULL THEN
    RETURN ledger_hold(p_space_id, p_bytes, p_objects);
  END IF;
  FOR v_try IN 1..2 LOOP
    UPDATE reservations SET held_bytes = held_bytes - p_bytes, held_objects = held_objects - p_objects
    WHERE id = p_reservation_id AND space_id = p_space_id AND (expires_at IS NULL OR expires_at > now())
      AND held_bytes >= p_bytes AND held_objects >= p_objects;
    IF FOUND THEN
      RETURN true;
    END IF;
    EXIT WHEN ledger_expire(p_space_id) = 0;
  END LOOP;
  RETURN false;
END $$;

-- Holds room for uploads to come; false when it does not fit.
CREATE FUNCTION ledger_reservation_open(p_space_id uuid, p_id uuid, p_bytes bigint, p_objects bigint, p_expires_at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ledger_hold(p_space_id, p_bytes, p_objects) THEN
    RETURN false;
  END IF;
  INSERT INTO reservations (id, space_id, bytes, objects, held_bytes, held_objects, expires_at)
  VALUES (p_id, p_space_id, p_bytes, p_objects, p_bytes, p_objects, p_expires_at);
  RETURN true;
END $$;

-- Gives back what of a reservation was not drawn; uploads that have drawn go on. Nothing where it has ended before.
CREATE FUNCTION ledger_reservation_close(p_id uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_gone reservations%ROWTYPE;
BEGIN
  PERFORM 1 FROM spaces WHERE id = (SELECT space_id FROM reservations WHERE id = p_id) FOR NO KEY UPDATE;
  DELETE FROM reservations WHERE id = p_id RETURNING * INTO v_gone;
  IF FOUND THEN
    UPDATE spaces SET reserved_bytes = reserved_bytes - v_gone.held_bytes, reserved_objects = reserved_objects - v_gone.held_objects
    WHERE id = v_gone.space_id;
  END IF;
END $$;

-- The room of a drop ends with its link, whatever took the link away, and what is still coming by it does not land: its
-- commit finds no upload. Who deletes links locks the space before.
CREATE FUNCTION share_link_close() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM spaces WHERE id = OLD.space_id FOR NO KEY UPDATE;
  WITH gone AS (
    DELETE FROM uploads WHERE space_id = OLD.space_id AND reservation_id = OLD.reservation_id
    RETURNING object_key, reserved_bytes, reserved_objects
  ), buried AS (
    INSERT INTO object_tombstones (object_key, origin, due_at)
    SELECT object_key, 'upload', now() + interval '60 seconds' FROM gone
  )
  UPDATE spaces s
  SET reserved_bytes = s.reserved_bytes - freed.bytes, reserved_objects = s.reserved_objects - freed.objects
  FROM (SELECT sum(reserved_bytes) AS bytes, sum(reserved_objects) AS objects FROM gone) freed
  WHERE s.id = OLD.space_id AND freed.bytes IS NOT NULL;
  PERFORM ledger_reservation_close(OLD.reservation_id);
  RETURN NULL;
END $$;
CREATE TRIGGER share_links_removed AFTER DELETE ON share_links
  FOR EACH ROW WHEN (OLD.reservation_id IS NOT NULL) EXECUTE FUNCTION share_link_close();

-- Uploads ----------------------------------------------------------------------------------------------------------

-- What a new content of this name takes the place of, and what that frees: the old content, unless the space keeps
-- versions, and the versions that are then too many. All null and 0 where the name is free.
CREATE FUNCTION ledger_replaced(
  p_space_id uuid, p_path text, p_versions_kept integer, OUT file_id uuid, OUT freed_bytes bigint, OUT freed_objects bigint
)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT f.id, CASE p_versions_kept WHEN 0 THEN f.size_bytes ELSE 0 END, (p_versions_kept = 0)::int
  INTO file_id, freed_bytes, freed_objects
  FROM files f WHERE f.space_id = p_space_id AND f.path = p_path AND f.deleted_at IS NULL;
  IF file_id IS NOT NULL THEN
    SELECT freed_bytes + coalesce(sum(v.size_bytes), 0), freed_objects + count(*) INTO freed_bytes, freed_objects
    FROM (
      SELECT size_bytes FROM file_versions WHERE file_versions.file_id = ledger_replaced.file_id
      ORDER BY id DESC OFFSET greatest(p_versions_kept - 1, 0)
    ) v;
  END IF;
  freed_bytes := coalesce(freed_bytes, 0);
  freed_objects := coalesce(freed_objects, 0);
END $$;

-- p_items: [{ id, path, conflict, object_key, content_type, bytes, reservation_id? }]
-- outcome: reserved | exists (file_id names it) | refused (requested_* say what did not fit; where a reservation was too
-- small, the counters are the reservation's) | gone (no such space)
CREATE OR REPLACE FUNCTION ledger_reserve(p_space_id uuid, p_items jsonb, p_lease_seconds integer)
RETURNS TABLE (
  upload_id uuid, outcome text, file_id uuid, requested_bytes bigint, requested_objects bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_item record;
  v_existing record;
  v_reserved bigint;
  v_versions_kept integer;
BEGIN
  SELECT s.versions_kept INTO v_versions_kept FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;

  -- Nearly always all of them fit: then one statement does it for the whole batch.
  IF v_versions_kept = 0 AND NOT p_items @? '$[*] ? (@.conflict == "fail" || @.reservation_id != null)' THEN
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
      AS i(id uuid, path text, conflict text, object_key text, content_type text, bytes bigint, reservation_id uuid)
  LOOP
    upload_id := v_item.id;
    file_id := NULL;
    requested_bytes := v_item.bytes;
    requested_objects := 1;
    IF v_item.conflict <> 'keepBoth' THEN
      SELECT * INTO v_existing FROM ledger_replaced(p_space_id, v_item.path, v_versions_kept);
      file_id := v_existing.file_id;
      -- A replacement counts the difference.
      requested_bytes := greatest(0, v_item.bytes - v_existing.freed_bytes);
      requested_objects := greatest(0, 1 - v_existing.freed_objects);
    END IF;
    IF file_id IS NOT NULL AND v_item.conflict = 'fail' THEN
      outcome := 'exists';
    ELSIF ledger_hold(p_space_id, requested_bytes, requested_objects, v_item.reservation_id) THEN
      outcome := 'reserved';
      INSERT INTO uploads (id, space_id, path, conflict, object_key, content_type, expected_bytes, reserved_bytes, reserved_objects,
                           lease_expires_at, reservation_id)
      VALUES (v_item.id, p_space_id, v_item.path, v_item.conflict, v_item.object_key, v_item.content_type, v_item.bytes,
              requested_bytes, requested_objects, now() + make_interval(secs => p_lease_seconds), v_item.reservation_id);
    ELSE
      outcome := 'refused';
    END IF;
    SELECT c.quota_bytes, c.quota_objects, c.used_bytes, c.used_objects, c.reserved_bytes, c.reserved_objects
    INTO quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
    FROM ledger_counters(p_space_id, v_item.reservation_id) c;
    IF NOT FOUND THEN
      outcome := 'gone';
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- What a refusal speaks of: the space, or the reservation that was named, of which nothing more is told.
CREATE FUNCTION ledger_counters(p_space_id uuid, p_reservation_id uuid)
RETURNS TABLE (
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint, reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE sql STABLE AS $$
  SELECT s.quota_bytes, s.quota_objects, s.used_bytes, s.used_objects, s.reserved_bytes, s.reserved_objects
  FROM spaces s WHERE s.id = p_space_id AND p_reservation_id IS NULL
  UNION ALL
  SELECT coalesce(r.bytes, 0), coalesce(r.objects, 0), coalesce(r.bytes - r.held_bytes, 0), coalesce(r.objects - r.held_objects, 0), 0, 0
  FROM spaces s LEFT JOIN reservations r ON r.id = p_reservation_id AND r.space_id = s.id
  WHERE s.id = p_space_id AND p_reservation_id IS NOT NULL
$$;

CREATE OR REPLACE FUNCTION ledger_grow(p_space_id uuid, p_upload_id uuid, p_bytes bigint, p_lease_seconds integer)
RETURNS TABLE (
  outcome text, requested_bytes bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_upload uploads%ROWTYPE;
  v_versions_kept integer;
  v_freed_bytes bigint := 0;
  v_given record;
BEGIN
  SELECT s.versions_kept INTO v_versions_kept FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;
  -- The lease first: where room is short, overdue uploads make way, and this one must not be among them.
  UPDATE uploads u SET lease_expires_at = now() + make_interval(secs => p_lease_seconds)
  WHERE u.id = p_upload_id AND u.space_id = p_space_id RETURNING u.* INTO v_upload;
  IF NOT FOUND THEN
    outcome := 'gone';
  ELSE
    IF v_upload.conflict = 'replace' THEN
      SELECT r.freed_bytes INTO v_freed_bytes FROM ledger_replaced(p_space_id, v_upload.path, v_versions_kept) r;
    END IF;
    requested_bytes := greatest(0, v_upload.expected_bytes + p_bytes - v_freed_bytes) - v_upload.reserved_bytes;
    IF requested_bytes <= 0 THEN
      -- Needs no room, also when its reservation has ended; gives back what a file that came meanwhile has brought.
      outcome := 'grown';
      SELECT * INTO v_given FROM ledger_give_back(v_upload.reservation_id, -requested_bytes, 0, 0, 0);
      UPDATE spaces s SET reserved_bytes = s.reserved_bytes - v_given.bytes WHERE s.id = p_space_id AND v_given.bytes > 0;
    ELSIF ledger_hold(p_space_id, requested_bytes, 0, v_upload.reservation_id) THEN
      outcome := 'grown';
    ELSE
      outcome := 'refused';
    END IF;
    UPDATE uploads u SET expected_bytes = u.expected_bytes + p_bytes, reserved_bytes = u.reserved_bytes + requested_bytes
    WHERE u.id = p_upload_id AND outcome = 'grown';
  END IF;
  SELECT c.quota_bytes, c.quota_objects, c.used_bytes, c.used_objects, c.reserved_bytes, c.reserved_objects
  INTO quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
  FROM ledger_counters(p_space_id, v_upload.reservation_id) c;
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION ledger_release(p_space_id uuid, p_upload_id uuid, p_object_key text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_upload uploads%ROWTYPE;
  v_freed record;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  DELETE FROM uploads WHERE id = p_upload_id AND space_id = p_space_id RETURNING * INTO v_upload;
  IF NOT FOUND THEN
    PERFORM ledger_bury_late(p_object_key);
    RETURN;
  END IF;
  SELECT * INTO v_freed FROM ledger_give_back(v_upload.reservation_id, v_upload.reserved_bytes, v_upload.reserved_objects, 0, 0);
  UPDATE spaces SET reserved_bytes = reserved_bytes - v_freed.bytes, reserved_objects = reserved_objects - v_freed.objects
  WHERE id = p_space_id;
  INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_upload.object_key, 'upload', now());
END $$;

-- An object that is a version of a file is named as well.
CREATE OR REPLACE FUNCTION ledger_bury_late(p_object_key text) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO object_tombstones (object_key, origin, due_at)
  SELECT p_object_key, 'upload', now()
  WHERE NOT EXISTS (SELECT 1 FROM files WHERE object_key = p_object_key)
    AND NOT EXISTS (SELECT 1 FROM file_versions WHERE object_key = p_object_key)
  ON CONFLICT (object_key) DO UPDATE SET due_at = now();
$$;

-- Whether a large move or delete is still at work where a path leads: what comes there would be taken along, or have the name of
-- what is still to come. p_what: new (a delete leaves what is newer than itself) | moved (is as old as it was) | folder (with all
-- below: neither may anything be on its way there) | along (with a move itself).
CREATE FUNCTION ledger_busy(p_space_id uuid, p_path text, p_what text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT 1 FROM operations o
    CROSS JOIN LATERAL (VALUES
      (o.params->>'from' || '/'),
      (o.params->>'to' || '/'),
      (CASE WHEN p_what <> 'new' THEN o.params->>'prefix' END)
    ) place(prefix)
    WHERE o.space_id = p_space_id AND o.finished_at IS NULL AND p_what <> 'along'
      AND (starts_with(p_path || '/', place.prefix) OR starts_with(place.prefix, p_path || '/'))
  )
$$;

-- Whether files are on their way to or from below a prefix by a large move: at neither place is all that belongs there.
CREATE FUNCTION ledger_moving(p_space_id uuid, p_prefix text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT 1 FROM operations o
    CROSS JOIN LATERAL (VALUES (o.params->>'from' || '/'), (o.params->>'to' || '/')) place(prefix)
    WHERE o.space_id = p_space_id AND o.finished_at IS NULL
      AND (starts_with(p_prefix, place.prefix) OR starts_with(place.prefix, p_prefix))
  )
$$;

-- Whether a space has as many unfinished operations as it may have (also MAX_UNFINISHED in the service). The space is locked.
CREATE FUNCTION ledger_crowded(p_space_id uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT count(*) >= 20 FROM operations WHERE space_id = p_space_id AND finished_at IS NULL
$$;

-- Makes the folders that a path of a drive lies in. Answers null, or why nothing may come there: folders (the drive may have
-- no more: as many as objects, and always a thousand) | busy. p_what: see `ledger_busy`. The space is locked.
CREATE FUNCTION ledger_make_parents(p_space_id uuid, p_kind "SpaceKind", p_path text, p_what text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_parent text := path_parent(p_path);
  v_missing text[] := '{}';
  v_id uuid;
BEGIN
  -- A pocket has no folders, and a new file nothing to fear there.
  IF p_kind <> 'DRIVE' AND p_what = 'new' THEN
    RETURN NULL;
  END IF;
  IF ledger_busy(p_space_id, p_path, p_what) THEN
    RETURN 'busy';
  END IF;
  IF p_kind <> 'DRIVE' THEN
    RETURN NULL;
  END IF;
  WHILE v_parent <> '' LOOP
    SELECT id INTO v_id FROM folders WHERE space_id = p_space_id AND path = v_parent;
    EXIT WHEN FOUND;
    v_missing := v_parent || v_missing;
    v_parent := path_parent(v_parent);
  END LOOP;
  IF v_missing = '{}' THEN
    RETURN NULL;
  END IF;
  UPDATE spaces SET folder_count = folder_count + cardinality(v_missing)
  WHERE id = p_space_id AND (p_what = 'along' OR folder_count + cardinality(v_missing) <= greatest(1000, quota_objects));
  IF NOT FOUND THEN
    RETURN 'folders';
  END IF;
  IF v_parent = '' THEN
    v_id := NULL;
  END IF;
  FOREACH v_parent IN ARRAY v_missing LOOP
    INSERT INTO folders (id, space_id, parent_id, path) VALUES (ledger_new_id(), p_space_id, v_id, v_parent) RETURNING id INTO v_id;
  END LOOP;
  RETURN NULL;
END $$;

-- Makes stored objects into files: names, counters, byte ledger, audit, versions and tombstones of what was replaced, or nothing.
-- p_items: [{ upload_id, object_key, file_id, usage_id, audit_id, stem, suffix, size_bytes, sha256, etag, content_type, category, extension,
--             tags (null keeps a replaced file's), reason (upload | copy), action, actor_type, actor_id, access_key_id, ip, user_agent,
--             request_id, metadata? (joins the entry's own), path? (where it goes now, if that changed since it was reserved),
--             folder_id? (the folder that the path must lie in), replaces? (the file that must have the name) }]
-- outcome: committed | exists | refused (grew past its reservation and no longer fits) | folders (too many) | busy | stale (folder
-- or file are elsewhere by now) | gone (released or expired)
-- An upload that ends otherwise than committed is released here. The counters in each row are those after its item.
CREATE FUNCTION ledger_commit_files(p_space_id uuid, p_items jsonb)
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
  v_space record;
  v_upload uploads%ROWTYPE;
  v_old files%ROWTYPE;
  v_replaced record;
  v_freed record;
  v_objects bigint;
  v_version_bytes bigint;
  v_fits boolean;
BEGIN
  -- The row is locked, so the counters are ours until the end: they are reckoned here and written once for the batch.
  SELECT s.kind, s.versions_kept INTO v_space FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;
  SELECT s.quota_bytes, s.quota_objects, s.used_bytes, s.used_objects, s.reserved_bytes, s.reserved_objects,
         s.trash_bytes, s.trash_objects, s.version_bytes, s.version_objects
  INTO quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects,
       trash_bytes, trash_objects, version_bytes, version_objects
  FROM spaces s WHERE s.id = p_space_id;

  FOR v_item IN
    SELECT * FROM jsonb_to_recordset(p_items)
      AS i(upload_id uuid, object_key text, file_id uuid, usage_id uuid, audit_id uuid, stem text, suffix text, size_bytes bigint, sha256 text,
           etag text, content_type text, category text, extension text, tags text[], reason text, action text, actor_type text,
           actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb, path text,
           folder_id uuid, replaces uuid)
  LOOP
    upload_id := v_item.upload_id;
    file_id := v_item.file_id;
    -- As the column rounds it: the answer and a later read must show the same time.
    uploaded_at := now()::timestamptz(3);
    tags := coalesce(v_item.tags, '{}');
    v_old := NULL;
    v_version_bytes := 0;

    DELETE FROM uploads u WHERE u.id = v_item.upload_id AND u.space_id = p_space_id RETURNING u.* INTO v_upload;
    IF NOT FOUND THEN
      PERFORM ledger_bury_late(v_item.object_key);
      outcome := 'gone';
      RETURN NEXT;
      CONTINUE;
    END IF;
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
    ELSE
      outcome := coalesce(ledger_make_parents(p_space_id, v_space.kind, path, 'new'), 'committed');
    END IF;

    SELECT * INTO v_freed FROM ledger_give_back(
      v_upload.reservation_id, v_upload.reserved_bytes, v_upload.reserved_objects,
      CASE WHEN outcome = 'committed' THEN least(v_upload.reserved_bytes, greatest(0, requested_bytes)) ELSE 0 END,
      CASE WHEN outcome = 'committed' THEN least(v_upload.reserved_objects, greatest(0, v_objects)) ELSE 0 END);
    reserved_bytes := reserved_bytes - v_freed.bytes;
    reserved_objects := reserved_objects - v_freed.objects;

    IF outcome <> 'committed' THEN
      INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_upload.object_key, 'upload', now());
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
        INSERT INTO file_versions (id, space_id, file_id, object_key, size_bytes, sha256, etag, content_type, category, uploaded_at)
        VALUES (ledger_new_id(), p_space_id, v_old.id, v_old.object_key, v_old.size_bytes, v_old.sha256, v_old.etag,
                v_old.content_type, v_old.category, v_old.uploaded_at);
      ELSE
        INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_old.object_key, 'file', now());
      END IF;
      UPDATE files f
      SET object_key = v_upload.object_key, size_bytes = v_item.size_bytes, sha256 = v_item.sha256, etag = v_item.etag,
          content_type = v_item.content_type, category = v_item.category, extension = v_item.extension,
          tags = ledger_commit_files.tags, status = 'READY', uploaded_at = now(), modified_at = now()
      WHERE f.id = v_old.id;
    ELSE
      INSERT INTO files (id, space_id, path, object_key, size_bytes, sha256, etag, content_type, category, extension, tags)
      VALUES (file_id, p_space_id, ledger_commit_files.path, v_upload.object_key, v_item.size_bytes, v_item.sha256, v_item.etag,
              v_item.content_type, v_item.category, v_item.extension, ledger_commit_files.tags);
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
    RETURN NEXT;
  END LOOP;

  UPDATE spaces s
  SET used_bytes = ledger_commit_files.used_bytes, used_objects = ledger_commit_files.used_objects,
      reserved_bytes = ledger_commit_files.reserved_bytes, reserved_objects = ledger_commit_files.reserved_objects,
      version_bytes = ledger_commit_files.version_bytes, version_objects = ledger_commit_files.version_objects, updated_at = now()
  WHERE s.id = p_space_id;
END $$;

-- For processes of the version before, which may run beside this one while it is rolled out.
CREATE OR REPLACE FUNCTION ledger_commit(p_space_id uuid, p_items jsonb)
RETURNS TABLE (
  upload_id uuid, outcome text, file_id uuid, path text, replaced boolean, tags text[],
  uploaded_at timestamptz, requested_bytes bigint,
  quota_bytes bigint, quota_objects bigint, used_bytes bigint, used_objects bigint,
  reserved_bytes bigint, reserved_objects bigint
)
LANGUAGE sql AS $$
  SELECT upload_id, CASE WHEN outcome IN ('folders', 'busy') THEN 'gone' ELSE outcome END, file_id, path, replaced, tags, uploaded_at, requested_bytes,
         quota_bytes, quota_objects, used_bytes, used_objects, reserved_bytes, reserved_objects
  FROM ledger_commit_files(p_space_id, p_items)
$$;

-- Deleting ---------------------------------------------------------------------------------------------------------

-- Takes files, living ones or those in the trash, out of a space with all their versions: rows gone, usage down, objects
-- buried, ledger and audit written. The space is locked.
CREATE FUNCTION ledger_destroy(p_space_id uuid, p_file_ids uuid[], p_reason text, p_audit jsonb)
RETURNS TABLE (file_id uuid, path text, size_bytes bigint, freed_bytes bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM ledger_end_shares(p_space_id, p_file_ids, NULL, p_audit);
  RETURN QUERY
  WITH old AS (
    DELETE FROM file_versions v WHERE v.file_id = ANY(p_file_ids) AND v.space_id = p_space_id
    RETURNING v.file_id AS owner_id, v.size_bytes AS bytes, v.object_key AS old_key
  ), gone AS (
    DELETE FROM files f WHERE f.id = ANY(p_file_ids) AND f.space_id = p_space_id
    RETURNING f.id, f.path, f.size_bytes, f.object_key, f.deleted_at IS NOT NULL AS trashed
  ), buried AS (
    INSERT INTO object_tombstones (object_key, origin, due_at)
    SELECT g.object_key, 'file', now() FROM gone g UNION ALL SELECT o.old_key, 'file', now() FROM old o
  ), whole AS (
    SELECT g.id, g.path, g.size_bytes, CASE WHEN g.trashed THEN g.size_bytes ELSE 0 END AS trash_bytes, g.trashed::int AS trash_objects,
           coalesce(v.bytes, 0)::bigint AS version_bytes, coalesce(v.n, 0) AS version_objects
    FROM gone g LEFT JOIN (SELECT o.owner_id, sum(o.bytes) AS bytes, count(*) AS n FROM old o GROUP BY o.owner_id) v ON v.owner_id = g.id
  ), counted AS (
    UPDATE spaces s
    SET used_bytes = s.used_bytes - t.bytes - t.version_bytes, used_objects = s.used_objects - t.objects - t.version_objects,
        trash_bytes = s.trash_bytes - t.trash_bytes, trash_objects = s.trash_objects - t.trash_objects,
        version_bytes = s.version_bytes - t.version_bytes, version_objects = s.version_objects - t.version_objects, updated_at = now()
    FROM (
      SELECT sum(w.size_bytes) AS bytes, count(*) AS objects, sum(w.trash_bytes) AS trash_bytes, sum(w.trash_objects) AS trash_objects,
             sum(w.version_bytes) AS version_bytes, sum(w.version_objects) AS version_objects
      FROM whole w
    ) t WHERE s.id = p_space_id AND t.objects > 0
  ), entered AS (
    INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_trash_bytes, delta_version_bytes)
    SELECT ledger_new_id(), p_space_id, -(w.size_bytes + w.version_bytes), -(1 + w.version_objects), p_reason, w.id, w.path,
           -w.trash_bytes, -w.version_bytes
    FROM whole w
  ), audited AS (
    INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
    SELECT ledger_new_id(), CASE p_reason WHEN 'purge' THEN 'file.purge' ELSE 'file.delete' END, a.actor_type, a.actor_id, a.access_key_id,
           'file', w.id::text, a.ip, a.user_agent, a.request_id,
           jsonb_build_object('fileName', w.path, 'sizeBytes', w.size_bytes, 'freedBytes', w.size_bytes + w.version_bytes)
             || coalesce(a.metadata, '{}')
    FROM whole w, jsonb_to_record(p_audit)
      AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb)
  )
  SELECT w.id, w.path, w.size_bytes, w.size_bytes + w.version_bytes FROM whole w;
END $$;

-- Moves living files into the trash, where they go on counting. The space is locked.
CREATE FUNCTION ledger_trash(p_space_id uuid, p_file_ids uuid[], p_days integer, p_audit jsonb)
RETURNS TABLE (file_id uuid, path text, size_bytes bigint, freed_bytes bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH gone AS (
    UPDATE files f SET deleted_at = now(), trash_expires_at = now() + make_interval(days => p_days)
    WHERE f.id = ANY(p_file_ids) AND f.space_id = p_space_id AND f.deleted_at IS NULL
    RETURNING f.id, f.path, f.size_bytes
  ), counted AS (
    UPDATE spaces s
    SET trash_bytes = s.trash_bytes + t.bytes, trash_objects = s.trash_objects + t.objects, updated_at = now()
    FROM (SELECT sum(g.size_bytes) AS bytes, count(*) AS objects FROM gone g) t
    WHERE s.id = p_space_id AND t.objects > 0
  ), entered AS (
    INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_trash_bytes)
    SELECT ledger_new_id(), p_space_id, 0, 0, 'trash', g.id, g.path, g.size_bytes FROM gone g
  ), audited AS (
    INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
    SELECT ledger_new_id(), 'file.delete', a.actor_type, a.actor_id, a.access_key_id, 'file', g.id::text, a.ip, a.user_agent, a.request_id,
           jsonb_build_object('fileName', g.path, 'sizeBytes', g.size_bytes, 'freedBytes', 0, 'trashed', true) || coalesce(a.metadata, '{}')
    FROM gone g, jsonb_to_record(p_audit)
      AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb)
  )
  SELECT g.id, g.path, g.size_bytes, 0::bigint FROM gone g;
END $$;

-- Deletes living files, into the trash where the space keeps one. p_items: [{ path } or { id } or both]; answers those that were there.
CREATE FUNCTION ledger_delete_files(p_space_id uuid, p_items jsonb, p_permanent boolean, p_drive_trash_days integer, p_audit jsonb)
RETURNS TABLE (file_id uuid, path text, size_bytes bigint, freed_bytes bigint, trashed boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_days integer;
  v_ids uuid[];
BEGIN
  SELECT CASE WHEN p_permanent THEN 0 ELSE coalesce(s.trash_days, CASE s.kind WHEN 'DRIVE' THEN p_drive_trash_days ELSE 0 END) END
  INTO v_days FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;
  SELECT array_agg(DISTINCT CASE WHEN i.id IS NOT NULL THEN
    (SELECT f.id FROM files f WHERE f.id = i.id AND f.space_id = p_space_id AND f.path = coalesce(i.path, f.path) AND f.deleted_at IS NULL)
  ELSE
    (SELECT f.id FROM files f WHERE f.space_id = p_space_id AND f.path = i.path AND f.deleted_at IS NULL)
  END) INTO v_ids FROM jsonb_to_recordset(p_items) AS i(id uuid, path text);
  IF v_days > 0 THEN
    RETURN QUERY SELECT t.*, true FROM ledger_trash(p_space_id, v_ids, v_days, p_audit) t;
  ELSE
    RETURN QUERY SELECT d.*, false FROM ledger_destroy(p_space_id, v_ids, 'delete', p_audit) d;
  END IF;
END $$;

-- For processes of the version before, which know no trash: deletes for good.
CREATE OR REPLACE FUNCTION ledger_delete(p_space_id uuid, p_items jsonb, p_audit jsonb)
RETURNS TABLE (file_id uuid, path text, size_bytes bigint)
LANGUAGE sql AS $$
  SELECT file_id, path, size_bytes FROM ledger_delete_files(p_space_id, p_items, true, 0, p_audit)
$$;

-- Empties the trash by up to p_limit files: those named, or those deleted up to p_before, or (both null) those whose time is over.
CREATE FUNCTION ledger_purge_trash(p_space_id uuid, p_file_ids uuid[], p_before timestamptz, p_limit integer, p_audit jsonb)
RETURNS TABLE (file_id uuid, path text, size_bytes bigint, freed_bytes bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_ids uuid[];
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  IF p_file_ids IS NOT NULL THEN
    SELECT array_agg(f.id) INTO v_ids FROM files f
    WHERE f.id = ANY(p_file_ids) AND f.space_id = p_space_id AND f.deleted_at IS NOT NULL;
  ELSIF p_before IS NOT NULL THEN
    SELECT array_agg(x.id) INTO v_ids FROM (
      SELECT f.id FROM files f WHERE f.space_id = p_space_id AND f.deleted_at <= p_before ORDER BY f.deleted_at, f.id LIMIT p_limit
    ) x;
  ELSE
    SELECT array_agg(x.id) INTO v_ids FROM (
      SELECT f.id FROM files f WHERE f.space_id = p_space_id AND f.trash_expires_at <= now() LIMIT p_limit
    ) x;
  END IF;
  RETURN QUERY SELECT * FROM ledger_destroy(p_space_id, v_ids, 'purge', p_audit);
END $$;

-- Changing ---------------------------------------------------------------------------------------------------------

-- Renames, moves or tags one living file; copies no bytes. p_expected_path and p_expected_key are those that the caller saw.
-- p_change: { path? , conflict?, stem, suffix, category, extension (of the new path), folder_id? (that the path must lie in), tags? }
-- outcome: changed | gone | stale (look again) | exists (file_id names it) | folders (too many) | busy
CREATE FUNCTION ledger_change_file(
  p_space_id uuid, p_file_id uuid, p_expected_path text, p_expected_key text, p_change jsonb, p_drive_trash_days integer, p_audit jsonb
)
RETURNS TABLE (outcome text, file_id uuid, path text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_kind "SpaceKind";
  v_file files%ROWTYPE;
  v_target uuid;
  v_to text := coalesce(p_change->>'path', p_expected_path);
  v_tags text[];
BEGIN
  SELECT s.kind INTO v_kind FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;
  SELECT f.* INTO v_file FROM files f WHERE f.id = p_file_id AND f.space_id = p_space_id AND f.deleted_at IS NULL;
  file_id := p_file_id;
  IF v_file.id IS NULL THEN
    outcome := 'gone';
    RETURN NEXT;
    RETURN;
  END IF;
  IF v_file.path <> p_expected_path OR v_file.object_key <> p_expected_key OR p_change->>'folder_id' IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM folders d WHERE d.id = (p_change->>'folder_id')::uuid AND d.space_id = p_space_id AND d.path = path_parent(v_to)
  ) THEN
    outcome := 'stale';
    RETURN NEXT;
    RETURN;
  END IF;
  IF v_to <> v_file.path THEN
    SELECT f.id INTO v_target FROM files f WHERE f.space_id = p_space_id AND f.path = v_to AND f.deleted_at IS NULL;
    IF v_target IS NOT NULL AND p_change->>'conflict' = 'fail' THEN
      outcome := 'exists';
      file_id := v_target;
      path := v_to;
      RETURN NEXT;
      RETURN;
    ELSIF v_target IS NOT NULL AND p_change->>'conflict' = 'keepBoth' THEN
      path := v_to;
      v_to := ledger_free_name(p_space_id, v_to, p_change->>'stem', p_change->>'suffix');
      IF v_to IS NULL THEN
        outcome := 'exists';
        file_id := v_target;
        RETURN NEXT;
        RETURN;
      END IF;
    END IF;
    outcome := ledger_make_parents(p_space_id, v_kind, v_to, 'moved');
    IF outcome IS NOT NULL THEN
      RETURN NEXT;
      RETURN;
    END IF;
    IF v_target IS NOT NULL AND p_change->>'conflict' = 'replace' THEN
      PERFORM ledger_delete_files(p_space_id, jsonb_build_array(jsonb_build_object('id', v_target)), false, p_drive_trash_days, p_audit);
    END IF;
    PERFORM ledger_audit(p_audit, 'file.move', 'file', v_file.id, jsonb_build_object('fileName', v_to, 'previousName', v_file.path));
  END IF;
  IF p_change->'tags' IS NOT NULL THEN
    v_tags := ARRAY(SELECT jsonb_array_elements_text(p_change->'tags'));
    PERFORM ledger_audit(p_audit, 'file.tag', 'file', v_file.id, jsonb_build_object('fileName', v_to, 'tags', cardinality(v_tags)));
  END IF;
  UPDATE files f
  SET path = v_to, tags = coalesce(v_tags, f.tags),
      category = CASE WHEN v_to = f.path THEN f.category ELSE p_change->>'category' END,
      extension = CASE WHEN v_to = f.path THEN f.extension ELSE p_change->>'extension' END
  WHERE f.id = v_file.id;
  outcome := 'changed';
  path := v_to;
  RETURN NEXT;
END $$;

-- Brings files back from the trash to where they were. p_items: [{ id, path, conflict, stem, suffix }], the path as it lies in the trash
-- outcome of each: restored | gone | exists (path is taken) | folders (too many) | busy
CREATE FUNCTION ledger_restore_files(p_space_id uuid, p_items jsonb, p_drive_trash_days integer, p_audit jsonb)
RETURNS TABLE (outcome text, file_id uuid, path text, existing_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_kind "SpaceKind";
  v_item record;
  v_file files%ROWTYPE;
BEGIN
  SELECT s.kind INTO v_kind FROM spaces s WHERE s.id = p_space_id FOR NO KEY UPDATE;
  FOR v_item IN SELECT * FROM jsonb_to_recordset(p_items) AS i(id uuid, path text, conflict text, stem text, suffix text) LOOP
    file_id := v_item.id;
    path := v_item.path;
    existing_id := NULL;
    SELECT f.* INTO v_file FROM files f
    WHERE f.id = v_item.id AND f.space_id = p_space_id AND f.deleted_at IS NOT NULL AND f.path = v_item.path;
    IF v_file.id IS NULL THEN
      outcome := 'gone';
      RETURN NEXT;
      CONTINUE;
    END IF;
    SELECT f.id INTO existing_id FROM files f WHERE f.space_id = p_space_id AND f.path = v_file.path AND f.deleted_at IS NULL;
    IF existing_id IS NOT NULL AND v_item.conflict = 'keepBoth' THEN
      path := ledger_free_name(p_space_id, v_file.path, v_item.stem, v_item.suffix);
    END IF;
    IF existing_id IS NOT NULL AND (v_item.conflict = 'fail' OR path IS NULL) THEN
      outcome := 'exists';
      path := v_item.path;
      RETURN NEXT;
      CONTINUE;
    END IF;
    outcome := ledger_make_parents(p_space_id, v_kind, path, 'moved');
    IF outcome IS NOT NULL THEN
      RETURN NEXT;
      CONTINUE;
    END IF;
    IF existing_id IS NOT NULL AND v_item.conflict = 'replace' THEN
      PERFORM ledger_delete_files(p_space_id, jsonb_build_array(jsonb_build_object('id', existing_id)), false, p_drive_trash_days, p_audit);
    END IF;
    UPDATE files f SET deleted_at = NULL, trash_expires_at = NULL, path = ledger_restore_files.path WHERE f.id = v_file.id;
    UPDATE spaces s
    SET trash_bytes = s.trash_bytes - v_file.size_bytes, trash_objects = s.trash_objects - 1, updated_at = now()
    WHERE s.id = p_space_id;
    INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_trash_bytes)
    VALUES (ledger_new_id(), p_space_id, 0, 0, 'restore', v_file.id, ledger_restore_files.path, -v_file.size_bytes);
    PERFORM ledger_audit(p_audit, 'file.restore', 'file', v_file.id, jsonb_build_object('fileName', path, 'sizeBytes', v_file.size_bytes));
    outcome := 'restored';
    RETURN NEXT;
  END LOOP;
END $$;

-- Makes an older content the present one again; the present one becomes a version in its place. Costs no room.
CREATE FUNCTION ledger_restore_version(p_space_id uuid, p_file_id uuid, p_version_id uuid, p_audit jsonb) RETURNS text
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
  INSERT INTO file_versions (id, space_id, file_id, object_key, size_bytes, sha256, etag, content_type, category, uploaded_at)
  VALUES (ledger_new_id(), p_space_id, v_file.id, v_file.object_key, v_file.size_bytes, v_file.sha256, v_file.etag,
          v_file.content_type, v_file.category, v_file.uploaded_at);
  UPDATE files
  SET object_key = v_version.object_key, size_bytes = v_version.size_bytes, sha256 = v_version.sha256, etag = v_version.etag,
      content_type = v_version.content_type, category = v_version.category, uploaded_at = v_version.uploaded_at, modified_at = now()
  WHERE id = p_file_id;
  UPDATE spaces SET version_bytes = version_bytes + v_file.size_bytes - v_version.size_bytes, updated_at = now() WHERE id = p_space_id;
  INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_version_bytes)
  VALUES (ledger_new_id(), p_space_id, 0, 0, 'version_restore', p_file_id, v_file.path, v_file.size_bytes - v_version.size_bytes);
  PERFORM ledger_audit(p_audit, 'file.version_restore', 'file', p_file_id,
    jsonb_build_object('fileName', v_file.path, 'sizeBytes', v_version.size_bytes));
  RETURN 'restored';
END $$;

-- Removes an older content for good. Answers the bytes that this freed; null where there is none.
CREATE FUNCTION ledger_delete_version(p_space_id uuid, p_file_id uuid, p_version_id uuid, p_audit jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_version file_versions%ROWTYPE;
  v_path text;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT path INTO v_path FROM files WHERE id = p_file_id AND space_id = p_space_id AND deleted_at IS NULL;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  DELETE FROM file_versions WHERE id = p_version_id AND file_id = p_file_id RETURNING * INTO v_version;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO object_tombstones (object_key, origin, due_at) VALUES (v_version.object_key, 'file', now());
  UPDATE spaces
  SET used_bytes = used_bytes - v_version.size_bytes, used_objects = used_objects - 1,
      version_bytes = version_bytes - v_version.size_bytes, version_objects = version_objects - 1, updated_at = now()
  WHERE id = p_space_id;
  INSERT INTO usage_entries (id, space_id, delta_bytes, delta_objects, reason, file_id, path, delta_version_bytes)
  VALUES (ledger_new_id(), p_space_id, -v_version.size_bytes, -1, 'version_delete', p_file_id, v_path, -v_version.size_bytes);
  PERFORM ledger_audit(p_audit, 'file.version_delete', 'file', p_file_id,
    jsonb_build_object('fileName', v_path, 'sizeBytes', v_version.size_bytes));
  RETURN v_version.size_bytes;
END $$;

-- Folders (drives) -------------------------------------------------------------------------------------------------

-- p_parent_id: the folder that it must lie in; null: not asked for.
-- outcome: made | exists (folder_id names it) | folders (too many) | busy | stale (the parent is elsewhere by now) | gone (no such drive)
CREATE FUNCTION ledger_make_folder(p_space_id uuid, p_path text, p_parent_id uuid, p_audit jsonb)
RETURNS TABLE (outcome text, folder_id uuid)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id AND kind = 'DRIVE' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 'gone';
    RETURN NEXT;
    RETURN;
  END IF;
  IF p_parent_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM folders f WHERE f.id = p_parent_id AND f.space_id = p_space_id AND f.path = path_parent(p_path)
  ) THEN
    outcome := 'stale';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT id INTO folder_id FROM folders WHERE space_id = p_space_id AND path = p_path;
  IF folder_id IS NOT NULL THEN
    outcome := 'exists';
  ELSE
    outcome := coalesce(ledger_make_parents(p_space_id, 'DRIVE', p_path || '/x', 'new'), 'made');
  END IF;
  IF outcome = 'made' THEN
    SELECT id INTO folder_id FROM folders WHERE space_id = p_space_id AND path = p_path;
    PERFORM ledger_audit(p_audit, 'folder.create', 'folder', folder_id, jsonb_build_object('folderName', p_path));
  END IF;
  RETURN NEXT;
END $$;

-- An operation is about the files that are there under the lock. Times of files are rounded to milliseconds and those of
-- transactions lie before their locks; a whole number of milliseconds, because JavaScript knows no smaller parts.
CREATE FUNCTION ledger_operation_time() RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$ SELECT date_trunc('milliseconds', clock_timestamp()) + interval '1 millisecond' $$;

-- Renames or moves a folder with everything below it. With up to p_limit files below, all at once; beyond that the folders
-- go at once and the files follow by `ledger_move_step`, whose operation is then noted.
-- p_parent_id: the folder that it must lie in then; null: not asked for.
-- outcome: moved | begun | gone | stale (look again) | exists (existing_id names it) | inside (itself) | long (a name below would pass 1024 bytes)
--   | folders (too many) | busy (an operation on it, or on where it is to go, is not done yet, or too many are not)
CREATE FUNCTION ledger_move_folder(
  p_space_id uuid, p_folder_id uuid, p_expected_path text, p_to text, p_parent_id uuid, p_limit integer, p_operation_id uuid,
  p_audit jsonb
)
RETURNS TABLE (outcome text, existing_id uuid, files bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_from text;
  v_longest integer;
  v_parent uuid;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT f.path INTO v_from FROM folders f WHERE f.id = p_folder_id AND f.space_id = p_space_id;
  IF v_from IS NULL THEN
    outcome := 'gone';
    RETURN NEXT;
    RETURN;
  ELSIF v_from <> p_expected_path OR p_parent_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM folders f WHERE f.id = p_parent_id AND f.space_id = p_space_id AND f.path = path_parent(p_to)
  ) THEN
    outcome := 'stale';
    RETURN NEXT;
    RETURN;
  ELSIF v_from = p_to THEN
    outcome := 'moved';
    files := 0;
    RETURN NEXT;
    RETURN;
  ELSIF starts_with(p_to, v_from || '/') THEN
    outcome := 'inside';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT f.id INTO existing_id FROM folders f WHERE f.space_id = p_space_id AND f.path = p_to;
  IF existing_id IS NOT NULL THEN
    outcome := 'exists';
    RETURN NEXT;
    RETURN;
  END IF;
  IF ledger_busy(p_space_id, v_from, 'folder') OR ledger_busy(p_space_id, p_to, 'folder') OR EXISTS (
    -- Left by an operation that has failed.
    SELECT 1 FROM files f WHERE f.space_id = p_space_id AND f.deleted_at IS NULL AND f.path >= p_to || '/' AND f.path < p_to || '0'
  ) THEN
    outcome := 'busy';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT count(*), max(octet_length(f.path)) INTO files, v_longest FROM files f
  WHERE f.space_id = p_space_id AND f.deleted_at IS NULL AND f.path >= v_from || '/' AND f.path < v_from || '0';
  IF files > p_limit AND ledger_crowded(p_space_id) THEN
    outcome := 'busy';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT greatest(v_longest, max(octet_length(f.path))) INTO v_longest FROM folders f
  WHERE f.space_id = p_space_id AND f.path >= v_from || '/' AND f.path < v_from || '0';
  -- Where steps are to move the files, a name may get a number of up to 13 bytes.
  IF greatest(coalesce(v_longest, 0) - octet_length(v_from), 0) + octet_length(p_to) > (CASE WHEN files > p_limit THEN 1011 ELSE 1024 END) THEN
    outcome := 'long';
    RETURN NEXT;
    RETURN;
  END IF;
  outcome := ledger_make_parents(p_space_id, 'DRIVE', p_to, 'folder');
  IF outcome IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT f.id INTO v_parent FROM folders f WHERE f.space_id = p_space_id AND f.path = path_parent(p_to);
  UPDATE folders f
  SET path = p_to || substr(f.path, length(v_from) + 1), parent_id = CASE WHEN f.id = p_folder_id THEN v_parent ELSE f.parent_id END
  WHERE f.space_id = p_space_id AND (f.path = v_from OR (f.path >= v_from || '/' AND f.path < v_from || '0'));
  IF files <= p_limit THEN
    outcome := 'moved';
    UPDATE files f SET path = p_to || substr(f.path, length(v_from) + 1)
    WHERE f.space_id = p_space_id AND f.deleted_at IS NULL AND f.path >= v_from || '/' AND f.path < v_from || '0';
  ELSE
    outcome := 'begun';
    -- Nothing comes to the old place from now on; what has come is not later than this (the column's times are rounded).
    INSERT INTO operations (id, space_id, kind, params, total)
    VALUES (p_operation_id, p_space_id, 'folder.move', jsonb_build_object('from', v_from, 'to', p_to, 'before', ledger_operation_time(), 'audit', p_audit), files);
  END IF;
  PERFORM ledger_audit(p_audit, 'folder.move', 'folder', p_folder_id,
    jsonb_build_object('folderName', p_to, 'previousName', v_from, 'files', files));
  RETURN NEXT;
END $$;

-- Up to p_limit files of a large move, of those that were there when it began; a name that was taken meanwhile gets a
-- number. Answers how many moved; 0 at the end.
CREATE FUNCTION ledger_move_step(p_space_id uuid, p_from text, p_to text, p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_file record;
  v_moved bigint := 0;
  v_path text;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  FOR v_file IN
    WITH due AS (
      SELECT id, p_to || substr(path, length(p_from) + 1) AS new_path FROM files
      WHERE space_id = p_space_id AND deleted_at IS NULL AND path >= p_from || '/' AND path < p_from || '0' AND uploaded_at <= p_before
        AND octet_length(path) - octet_length(p_from) + octet_length(p_to) <= 1011
      ORDER BY path LIMIT p_limit
    ), moved AS (
      UPDATE files f SET path = due.new_path FROM due
      WHERE f.id = due.id
        AND NOT EXISTS (SELECT 1 FROM files t WHERE t.space_id = p_space_id AND t.path = due.new_path AND t.deleted_at IS NULL)
      RETURNING path_parent(f.path) AS parent
    )
    SELECT parent, count(*) AS files FROM moved GROUP BY parent
  LOOP
    -- The folders have gone ahead; one that seemed empty may have been removed since.
    PERFORM ledger_make_parents(p_space_id, 'DRIVE', v_file.parent || '/x', 'along');
    v_moved := v_moved + v_file.files;
  END LOOP;
  IF v_moved > 0 THEN
    RETURN v_moved;
  END IF;
  -- All that are left have a namesake.
  FOR v_file IN
    SELECT id, p_to || substr(path, length(p_from) + 1) AS new_path FROM files
    WHERE space_id = p_space_id AND deleted_at IS NULL AND path >= p_from || '/' AND path < p_from || '0' AND uploaded_at <= p_before
      AND octet_length(path) - octet_length(p_from) + octet_length(p_to) <= 1011
    ORDER BY path LIMIT p_limit
  LOOP
    v_path := ledger_free_path(p_space_id, v_file.new_path, regexp_replace(v_file.new_path, '([^/])\.[^./]{1,32}$', '\1'),
      coalesce(substring(v_file.new_path FROM '[^/](\.[^./]{1,32})$'), ''));
    UPDATE files SET path = v_path WHERE id = v_file.id;
    v_moved := v_moved + 1;
  END LOOP;
  RETURN v_moved;
END $$;

-- Deletes a folder with everything below it. With up to p_limit files below, all at once; beyond that the folders go at
-- once and an operation is noted whose job deletes the files. Shares and links of the folders go with them.
-- outcome: deleted | begun | gone | stale (look again) | busy (as above)
CREATE FUNCTION ledger_delete_folder(
  p_space_id uuid, p_folder_id uuid, p_expected_path text, p_limit integer, p_operation_id uuid, p_drive_trash_days integer, p_audit jsonb
)
RETURNS TABLE (outcome text, files bigint, freed_bytes bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_path text;
  v_items jsonb;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  SELECT f.path INTO v_path FROM folders f WHERE f.id = p_folder_id AND f.space_id = p_space_id;
  IF v_path IS NULL OR v_path <> p_expected_path THEN
    outcome := CASE WHEN v_path IS NULL THEN 'gone' ELSE 'stale' END;
    RETURN NEXT;
    RETURN;
  ELSIF ledger_busy(p_space_id, v_path, 'folder') THEN
    outcome := 'busy';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT count(*), coalesce(jsonb_agg(jsonb_build_object('id', x.id)), '[]') INTO files, v_items FROM (
    SELECT f.id FROM files f
    WHERE f.space_id = p_space_id AND f.deleted_at IS NULL AND f.path >= v_path || '/' AND f.path < v_path || '0' LIMIT p_limit + 1
  ) x;
  IF files > p_limit AND ledger_crowded(p_space_id) THEN
    outcome := 'busy';
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM ledger_forget_folders(p_space_id, v_path, true, p_audit);
  IF files <= p_limit THEN
    outcome := 'deleted';
    SELECT coalesce(sum(d.freed_bytes), 0) INTO freed_bytes
    FROM ledger_delete_files(p_space_id, v_items, false, p_drive_trash_days, p_audit) d;
  ELSE
    outcome := 'begun';
    freed_bytes := 0;
    SELECT count(*) INTO files FROM files f
    WHERE f.space_id = p_space_id AND f.deleted_at IS NULL AND f.path >= v_path || '/' AND f.path < v_path || '0';
    INSERT INTO operations (id, space_id, kind, params, total)
    VALUES (p_operation_id, p_space_id, 'prefix.delete', jsonb_build_object('prefix', v_path || '/', 'before', ledger_operation_time(), 'audit', p_audit), files);
  END IF;
  PERFORM ledger_audit(p_audit, 'folder.delete', 'folder', p_folder_id, jsonb_build_object('folderName', v_path, 'files', files));
  RETURN NEXT;
END $$;

-- Ends shares and links of files or folders that are about to go, and says so of each; without it they would go silently with
-- what they are about. The space is locked.
CREATE FUNCTION ledger_end_shares(p_space_id uuid, p_file_ids uuid[], p_folder_ids uuid[], p_audit jsonb) RETURNS void
LANGUAGE sql AS $$
  WITH share AS (
    DELETE FROM shares WHERE space_id = p_space_id AND (file_id = ANY(p_file_ids) OR folder_id = ANY(p_folder_ids))
    RETURNING id, file_id, folder_id
  ), link AS (
    DELETE FROM share_links WHERE space_id = p_space_id AND (file_id = ANY(p_file_ids) OR folder_id = ANY(p_folder_ids))
    RETURNING id, file_id, folder_id
  ), ended AS (
    SELECT 'share' AS kind, * FROM share UNION ALL SELECT 'link', * FROM link
  )
  INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
  SELECT ledger_new_id(), CASE e.kind WHEN 'share' THEN 'share.delete' ELSE 'link.delete' END, a.actor_type, a.actor_id, a.access_key_id,
         e.kind, e.id::text, a.ip, a.user_agent, a.request_id,
         jsonb_strip_nulls(jsonb_build_object('fileId', e.file_id, 'folderId', e.folder_id)) || coalesce(a.metadata, '{}')
  FROM ended e, jsonb_to_record(p_audit)
    AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb)
$$;

-- Removes a folder's row and those below it: all of them, or only those that hold no living file. Its caller speaks of the
-- folder itself where all go; every other is named here. The space is locked.
CREATE FUNCTION ledger_forget_folders(p_space_id uuid, p_path text, p_all boolean, p_audit jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_ids uuid[];
BEGIN
  SELECT array_agg(f.id) INTO v_ids FROM folders f
  WHERE f.space_id = p_space_id AND (f.path = p_path OR (f.path >= p_path || '/' AND f.path < p_path || '0'))
    AND (p_all OR NOT EXISTS (
      SELECT 1 FROM files x
      WHERE x.space_id = p_space_id AND x.deleted_at IS NULL AND x.path >= f.path || '/' AND x.path < f.path || '0'
    ));
  IF v_ids IS NULL THEN
    RETURN;
  END IF;
  PERFORM ledger_end_shares(p_space_id, NULL, v_ids, p_audit);
  WITH gone AS (
    DELETE FROM folders f WHERE f.id = ANY(v_ids) RETURNING f.id, f.path
  )
  INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
  SELECT ledger_new_id(), 'folder.delete', a.actor_type, a.actor_id, a.access_key_id, 'folder', g.id::text, a.ip, a.user_agent, a.request_id,
         jsonb_build_object('folderName', g.path, 'files', 0) || coalesce(a.metadata, '{}')
  FROM gone g, jsonb_to_record(p_audit)
    AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb)
  WHERE NOT p_all OR g.path <> p_path;
  UPDATE spaces SET folder_count = folder_count - cardinality(v_ids) WHERE id = p_space_id;
END $$;

-- The same for whoever has deleted all files below a prefix that names a folder.
CREATE FUNCTION ledger_prune_folders(p_space_id uuid, p_path text, p_audit jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  PERFORM ledger_forget_folders(p_space_id, p_path, false, p_audit);
END $$;

-- Erasing ----------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION ledger_erase(p_space_id uuid, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_uploads bigint;
  v_files bigint;
BEGIN
  PERFORM 1 FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  -- Drops first: what their uploads give back then goes to the space.
  DELETE FROM share_links WHERE space_id = p_space_id;
  PERFORM ledger_reservation_close(id) FROM reservations WHERE space_id = p_space_id;
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
  WITH due AS MATERIALIZED (
    SELECT id FROM files WHERE space_id = p_space_id LIMIT p_limit
  ), old AS (
    DELETE FROM file_versions WHERE file_id IN (SELECT id FROM due) RETURNING object_key, size_bytes
  ), gone AS (
    DELETE FROM files WHERE id IN (SELECT id FROM due) RETURNING object_key, size_bytes, deleted_at
  ), buried AS (
    INSERT INTO object_tombstones (object_key, origin, due_at)
    SELECT object_key, 'file', now() FROM gone UNION ALL SELECT object_key, 'file', now() FROM old
  ), freed AS (
    SELECT coalesce(sum(size_bytes), 0) AS bytes, count(*) AS n, coalesce(sum(size_bytes) FILTER (WHERE deleted_at IS NOT NULL), 0) AS trash_bytes,
           count(*) FILTER (WHERE deleted_at IS NOT NULL) AS trash_n
    FROM gone
  ), versions AS (
    SELECT coalesce(sum(size_bytes), 0) AS bytes, count(*) AS n FROM old
  ), counted AS (
    UPDATE spaces s
    SET used_bytes = s.used_bytes - freed.bytes - versions.bytes, used_objects = s.used_objects - freed.n - versions.n,
        trash_bytes = s.trash_bytes - freed.trash_bytes, trash_objects = s.trash_objects - freed.trash_n,
        version_bytes = s.version_bytes - versions.bytes, version_objects = s.version_objects - versions.n, updated_at = now()
    FROM freed, versions WHERE s.id = p_space_id AND freed.n > 0
  )
  SELECT n INTO v_files FROM freed;
  RETURN v_uploads + v_files;
END $$;

-- Counting what was there before ------------------------------------------------------------------------------------

-- Makes rollups and folders of one space from its rows. Under the space's lock nothing of it changes, so what stood there
-- before, or what triggers have added to an unfinished count, does not matter. Safe to repeat.
CREATE FUNCTION ledger_recount(p_space_id uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_kind "SpaceKind";
BEGIN
  SELECT kind INTO v_kind FROM spaces WHERE id = p_space_id FOR NO KEY UPDATE;
  DELETE FROM space_categories WHERE space_id = p_space_id;
  INSERT INTO space_categories (space_id, category, files, bytes)
  SELECT space_id, category, count(*), sum(size_bytes) FROM files WHERE space_id = p_space_id AND deleted_at IS NULL GROUP BY space_id, category;
  DELETE FROM usage_daily WHERE space_id = p_space_id;
  INSERT INTO usage_daily (space_id, day, added_bytes, removed_bytes, added_objects, removed_objects)
  SELECT space_id, (created_at AT TIME ZONE 'UTC')::date, sum(greatest(delta_bytes, 0)), sum(greatest(-delta_bytes, 0)),
         sum(greatest(delta_objects, 0)), sum(greatest(-delta_objects, 0))
  FROM usage_entries WHERE space_id = p_space_id GROUP BY 1, 2;
  IF v_kind = 'DRIVE' THEN
    INSERT INTO folders (id, space_id, path)
    SELECT ledger_new_id(), p_space_id, path FROM (
      SELECT DISTINCT array_to_string((string_to_array(f.path, '/'))[1:depth], '/') COLLATE "C" AS path
      FROM files f CROSS JOIN LATERAL generate_series(1, cardinality(string_to_array(f.path, '/')) - 1) depth
      WHERE f.space_id = p_space_id AND f.deleted_at IS NULL
    ) made
    ON CONFLICT (space_id, path) DO NOTHING;
    UPDATE folders f SET parent_id = p.id FROM folders p
    WHERE f.space_id = p_space_id AND f.parent_id IS NULL AND p.space_id = p_space_id AND p.path = path_parent(f.path);
    UPDATE spaces SET folder_count = (SELECT count(*) FROM folders WHERE space_id = p_space_id) WHERE id = p_space_id;
  END IF;
END $$;
