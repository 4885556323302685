-- pockity:no-transaction
-- Each statement by itself, while the service runs; all can be repeated (see ..000600_file_indexes).

-- The indexes of lists now ask for `path <> ''`, which no file breaks and only lists say: before PostgreSQL has counted a table for
-- the first time, all indexes look alike to it, and a look-up by name went through one of these, file by file.
DROP INDEX CONCURRENTLY IF EXISTS "files_listed_uploaded_at";
CREATE INDEX CONCURRENTLY "files_listed_uploaded_at" ON "files"("space_id", "uploaded_at", "id") WHERE (deleted_at IS NULL AND path <> '');
DROP INDEX CONCURRENTLY IF EXISTS "files_living_uploaded_at";

DROP INDEX CONCURRENTLY IF EXISTS "files_listed_size_bytes";
CREATE INDEX CONCURRENTLY "files_listed_size_bytes" ON "files"("space_id", "size_bytes", "id") WHERE (deleted_at IS NULL AND path <> '');
DROP INDEX CONCURRENTLY IF EXISTS "files_living_size_bytes";

DROP INDEX CONCURRENTLY IF EXISTS "files_listed_filters";
CREATE INDEX CONCURRENTLY "files_listed_filters" ON "files"
  USING gin ("space_id", "category", tag_terms("tags"), ("path" COLLATE "default") gin_trgm_ops) WHERE (deleted_at IS NULL AND path <> '');
DROP INDEX CONCURRENTLY IF EXISTS "files_filters";

DROP INDEX CONCURRENTLY IF EXISTS "files_listed_folder_path";
CREATE INDEX CONCURRENTLY "files_listed_folder_path" ON "files"("space_id", path_folder_key("path"), "path") WHERE (deleted_at IS NULL AND path <> '');
DROP INDEX CONCURRENTLY IF EXISTS "files_folder_path";

DROP INDEX CONCURRENTLY IF EXISTS "files_listed_folder_uploaded_at";
CREATE INDEX CONCURRENTLY "files_listed_folder_uploaded_at" ON "files"("space_id", path_folder_key("path"), "uploaded_at", "id")
  WHERE (deleted_at IS NULL AND path <> '');
DROP INDEX CONCURRENTLY IF EXISTS "files_folder_uploaded_at";

DROP INDEX CONCURRENTLY IF EXISTS "files_listed_folder_size_bytes";
CREATE INDEX CONCURRENTLY "files_listed_folder_size_bytes" ON "files"("space_id", path_folder_key("path"), "size_bytes", "id")
  WHERE (deleted_at IS NULL AND path <> '');
DROP INDEX CONCURRENTLY IF EXISTS "files_folder_size_bytes";
