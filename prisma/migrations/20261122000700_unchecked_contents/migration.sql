-- pockity:no-transaction
-- Each statement by itself, while the service runs; all can be repeated (see ..000600_file_indexes).

-- Few at any time: what the sweep of `content.check` looks through.
DROP INDEX CONCURRENTLY IF EXISTS "files_unchecked";
CREATE INDEX CONCURRENTLY "files_unchecked" ON "files"("uploaded_at") WHERE (status = 'PROCESSING' OR sha256 IS NULL);

DROP INDEX CONCURRENTLY IF EXISTS "file_versions_unchecked";
CREATE INDEX CONCURRENTLY "file_versions_unchecked" ON "file_versions"("uploaded_at") WHERE (status = 'PROCESSING' OR sha256 IS NULL);
