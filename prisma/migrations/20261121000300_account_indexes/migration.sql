-- pockity:no-transaction
-- Each statement by itself, while the service runs; all can be repeated. An index whose making was broken off is invalid:
-- it goes first.
DROP INDEX CONCURRENTLY IF EXISTS "audit_logs_subject_id_id_idx";
CREATE INDEX CONCURRENTLY "audit_logs_subject_id_id_idx" ON "audit_logs"("subject_id", "id");

DROP INDEX CONCURRENTLY IF EXISTS "sessions_expires_at_idx";
CREATE INDEX CONCURRENTLY "sessions_expires_at_idx" ON "sessions"("expires_at");

DROP INDEX CONCURRENTLY IF EXISTS "users_photo_key_key";
CREATE UNIQUE INDEX CONCURRENTLY "users_photo_key_key" ON "users"("photo_key");

DROP INDEX CONCURRENTLY IF EXISTS "users_deletion_due_at";
CREATE INDEX CONCURRENTLY "users_deletion_due_at" ON "users"("deletion_due_at") WHERE (deletion_due_at IS NOT NULL);

ALTER TABLE "users" VALIDATE CONSTRAINT "users_deletion_is_whole";
ALTER TABLE "api_keys" VALIDATE CONSTRAINT "api_keys_expiry_readable";
ALTER TABLE "api_key_requests" VALIDATE CONSTRAINT "api_key_requests_expiry_readable";

-- Logins from before they were counted.
UPDATE "users" u SET "login_count" = past.logins
FROM (SELECT actor_id, count(*) AS logins FROM "audit_logs" WHERE action = 'user.login' GROUP BY actor_id) past
WHERE past.actor_id = u.id AND u.login_count < past.logins;
