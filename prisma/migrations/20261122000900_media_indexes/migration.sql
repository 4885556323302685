-- pockity:no-transaction
-- Each statement by itself, while the service runs; all can be repeated (see ..000600_file_indexes).

-- What waits to be processed, oldest first: few at any time, and asked for by each sweep.
DROP INDEX CONCURRENTLY IF EXISTS "file_media_pending";
CREATE INDEX CONCURRENTLY "file_media_pending" ON "file_media"("updated_at", "object_key") WHERE (state = 'PENDING');

-- Files that may not be read yet, or ever: few among very many, and asked for by lists.
DROP INDEX CONCURRENTLY IF EXISTS "files_listed_unready";
CREATE INDEX CONCURRENTLY "files_listed_unready" ON "files"("space_id", "status", "uploaded_at", "id")
  WHERE (deleted_at IS NULL AND path <> '' AND status <> 'READY');
