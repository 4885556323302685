-- pockity:no-transaction
-- Each statement by itself, while the service runs; all can be repeated. An index whose making was broken off is invalid:
-- it goes first.

-- What was there before, space by space: each is counted under its own lock, and waits for no other.
DO $$
DECLARE
  v_id uuid;
BEGIN
  FOR v_id IN SELECT id FROM spaces LOOP
    PERFORM ledger_recount(v_id);
    COMMIT;
  END LOOP;
END $$;

-- Few at any time, and asked for at each change of a drive.
DROP INDEX CONCURRENTLY IF EXISTS "operations_unfinished";
CREATE INDEX CONCURRENTLY "operations_unfinished" ON "operations"("space_id") WHERE (finished_at IS NULL);

-- The trash: listed from its newest, restored by path, emptied where the time is over.
DROP INDEX CONCURRENTLY IF EXISTS "files_trash";
CREATE INDEX CONCURRENTLY "files_trash" ON "files"("space_id", "deleted_at", "id") WHERE (deleted_at IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS "files_trash_path";
CREATE INDEX CONCURRENTLY "files_trash_path" ON "files"("space_id", "path", "deleted_at" DESC, "id" DESC) WHERE (deleted_at IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS "files_trash_space_due";
CREATE INDEX CONCURRENTLY "files_trash_space_due" ON "files"("space_id", "trash_expires_at") WHERE (trash_expires_at IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS "files_trash_due";
CREATE INDEX CONCURRENTLY "files_trash_due" ON "files"("trash_expires_at") WHERE (trash_expires_at IS NOT NULL);

-- All living files of a space by date and by size; by name they are in files_living_path.
DROP INDEX CONCURRENTLY IF EXISTS "files_living_uploaded_at";
CREATE INDEX CONCURRENTLY "files_living_uploaded_at" ON "files"("space_id", "uploaded_at", "id") WHERE (deleted_at IS NULL);
DROP INDEX CONCURRENTLY IF EXISTS "files_space_id_uploaded_at_id_idx";

DROP INDEX CONCURRENTLY IF EXISTS "files_living_size_bytes";
CREATE INDEX CONCURRENTLY "files_living_size_bytes" ON "files"("space_id", "size_bytes", "id") WHERE (deleted_at IS NULL);
DROP INDEX CONCURRENTLY IF EXISTS "files_space_id_size_bytes_id_idx";

-- What few files have in common: category, tag, a piece of the name without regard to case.
DROP INDEX CONCURRENTLY IF EXISTS "files_filters";
CREATE INDEX CONCURRENTLY "files_filters" ON "files"
  USING gin ("space_id", "category", tag_terms("tags"), ("path" COLLATE "default") gin_trgm_ops) WHERE (deleted_at IS NULL);

-- What lies directly in a folder, and which folders there are.
DROP INDEX CONCURRENTLY IF EXISTS "files_folder_path";
CREATE INDEX CONCURRENTLY "files_folder_path" ON "files"("space_id", path_folder_key("path"), "path") WHERE (deleted_at IS NULL);

DROP INDEX CONCURRENTLY IF EXISTS "files_folder_uploaded_at";
CREATE INDEX CONCURRENTLY "files_folder_uploaded_at" ON "files"("space_id", path_folder_key("path"), "uploaded_at", "id") WHERE (deleted_at IS NULL);

DROP INDEX CONCURRENTLY IF EXISTS "files_folder_size_bytes";
CREATE INDEX CONCURRENTLY "files_folder_size_bytes" ON "files"("space_id", path_folder_key("path"), "size_bytes", "id") WHERE (deleted_at IS NULL);

ALTER TABLE "spaces" VALIDATE CONSTRAINT "spaces_parts_not_negative";
ALTER TABLE "spaces" VALIDATE CONSTRAINT "spaces_settings_bounded";
ALTER TABLE "files" VALIDATE CONSTRAINT "files_trash_is_whole";
