-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');

-- CreateEnum
CREATE TYPE "CodePurpose" AS ENUM ('EMAIL_VERIFICATION', 'PASSWORD_RESET');

-- CreateEnum
CREATE TYPE "SpaceKind" AS ENUM ('KEY', 'DRIVE');

-- CreateEnum
CREATE TYPE "RequestType" AS ENUM ('CREATE', 'UPGRADE');

-- CreateEnum
CREATE TYPE "RequestStatus" AS ENUM ('PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN');

-- CreateEnum
CREATE TYPE "FileStatus" AS ENUM ('READY', 'PROCESSING', 'QUARANTINED');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "email_key" TEXT NOT NULL,
    "username" TEXT,
    "username_key" TEXT,
    "name" TEXT,
    "password_hash" TEXT NOT NULL,
    "role" "Role" NOT NULL DEFAULT 'USER',
    "email_verified_at" TIMESTAMPTZ(3),
    "disabled_at" TIMESTAMPTZ(3),
    "last_login_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "refresh_token_hash" BYTEA NOT NULL,
    "ip" TEXT,
    "user_agent" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "one_time_codes" (
    "user_id" UUID NOT NULL,
    "purpose" "CodePurpose" NOT NULL,
    "code_hash" BYTEA NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "window_started_at" TIMESTAMPTZ(3) NOT NULL,
    "sent_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "one_time_codes_pkey" PRIMARY KEY ("user_id","purpose")
);

-- CreateTable
CREATE TABLE "spaces" (
    "id" UUID NOT NULL,
    "kind" "SpaceKind" NOT NULL,
    "owner_id" UUID NOT NULL,
    "prefix" TEXT NOT NULL,
    "quota_bytes" BIGINT NOT NULL,
    "quota_objects" BIGINT NOT NULL,
    "used_bytes" BIGINT NOT NULL DEFAULT 0,
    "used_objects" BIGINT NOT NULL DEFAULT 0,
    "reserved_bytes" BIGINT NOT NULL DEFAULT 0,
    "reserved_objects" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "spaces_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "access_key_id" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "permissions" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "claimed_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key_secrets" (
    "id" UUID NOT NULL,
    "api_key_id" UUID NOT NULL,
    "secret_hash" TEXT NOT NULL,
    "sealed_secret" BYTEA NOT NULL,
    "seal_key_version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    "last_used_ip" TEXT,
    "retires_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_secrets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key_requests" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "request_type" "RequestType" NOT NULL,
    "key_name" TEXT NOT NULL,
    "api_key_id" UUID,
    "requested_storage_gb" DOUBLE PRECISION NOT NULL,
    "requested_objects" BIGINT NOT NULL,
    "granted_storage_gb" DOUBLE PRECISION,
    "granted_objects" BIGINT,
    "reason" TEXT NOT NULL,
    "permissions" TEXT[],
    "key_expires_at" TIMESTAMPTZ(3),
    "status" "RequestStatus" NOT NULL DEFAULT 'PENDING',
    "reviewer_id" UUID,
    "reviewer_comment" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "reviewed_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_requests_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "files" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "path" TEXT COLLATE "C" NOT NULL,
    "object_key" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "sha256" CHAR(64) NOT NULL,
    "etag" TEXT NOT NULL,
    "content_type" TEXT NOT NULL,
    "category" TEXT NOT NULL,
    "extension" TEXT NOT NULL,
    "tags" TEXT[],
    "status" "FileStatus" NOT NULL DEFAULT 'READY',
    "uploaded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "modified_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "files_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "uploads" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "path" TEXT COLLATE "C" NOT NULL,
    "conflict" TEXT NOT NULL,
    "object_key" TEXT NOT NULL,
    "content_type" TEXT NOT NULL,
    "expected_bytes" BIGINT NOT NULL,
    "reserved_bytes" BIGINT NOT NULL,
    "reserved_objects" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lease_expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "uploads_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "object_tombstones" (
    "object_key" TEXT NOT NULL,
    "origin" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "last_error" TEXT,

    CONSTRAINT "object_tombstones_pkey" PRIMARY KEY ("object_key")
);

-- CreateTable
CREATE TABLE "usage_entries" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "delta_bytes" BIGINT NOT NULL,
    "delta_objects" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "file_id" UUID,
    "path" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_entries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_logs" (
    "id" UUID NOT NULL,
    "action" TEXT NOT NULL,
    "actor_type" TEXT NOT NULL,
    "actor_id" UUID,
    "access_key_id" TEXT,
    "subject_type" TEXT,
    "subject_id" TEXT,
    "ip" TEXT,
    "user_agent" TEXT,
    "request_id" TEXT,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_logs_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key_key" ON "users"("email_key");

-- CreateIndex
CREATE UNIQUE INDEX "users_username_key_key" ON "users"("username_key");

-- CreateIndex
CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "spaces_prefix_key" ON "spaces"("prefix");

-- CreateIndex
CREATE UNIQUE INDEX "spaces_one_drive_per_owner" ON "spaces"("owner_id") WHERE (kind = 'DRIVE');

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_access_key_id_key" ON "api_keys"("access_key_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_space_id_key" ON "api_keys"("space_id");

-- CreateIndex
CREATE INDEX "api_keys_user_id_id_idx" ON "api_keys"("user_id", "id");

-- CreateIndex
CREATE INDEX "api_key_secrets_api_key_id_idx" ON "api_key_secrets"("api_key_id");

-- CreateIndex
CREATE INDEX "api_key_requests_user_id_id_idx" ON "api_key_requests"("user_id", "id");

-- CreateIndex
CREATE INDEX "api_key_requests_status_id_idx" ON "api_key_requests"("status", "id");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_requests_one_pending_upgrade" ON "api_key_requests"("api_key_id") WHERE (status = 'PENDING' AND request_type = 'UPGRADE');

-- CreateIndex
CREATE UNIQUE INDEX "files_object_key_key" ON "files"("object_key");

-- CreateIndex
CREATE INDEX "files_space_id_uploaded_at_id_idx" ON "files"("space_id", "uploaded_at", "id");

-- CreateIndex
CREATE INDEX "files_space_id_size_bytes_id_idx" ON "files"("space_id", "size_bytes", "id");

-- CreateIndex
CREATE UNIQUE INDEX "files_living_path" ON "files"("space_id", "path") WHERE (deleted_at IS NULL);

-- CreateIndex
CREATE UNIQUE INDEX "uploads_object_key_key" ON "uploads"("object_key");

-- CreateIndex
CREATE INDEX "uploads_lease_expires_at_idx" ON "uploads"("lease_expires_at");

-- CreateIndex
CREATE INDEX "uploads_space_id_idx" ON "uploads"("space_id");

-- CreateIndex
CREATE INDEX "object_tombstones_due_at_idx" ON "object_tombstones"("due_at");

-- CreateIndex
CREATE INDEX "usage_entries_space_id_id_idx" ON "usage_entries"("space_id", "id");

-- CreateIndex
CREATE INDEX "audit_logs_action_id_idx" ON "audit_logs"("action", "id");

-- CreateIndex
CREATE INDEX "audit_logs_actor_id_id_idx" ON "audit_logs"("actor_id", "id");

-- CreateIndex
CREATE INDEX "audit_logs_access_key_id_id_idx" ON "audit_logs"("access_key_id", "id");

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "one_time_codes" ADD CONSTRAINT "one_time_codes_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "spaces" ADD CONSTRAINT "spaces_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key_secrets" ADD CONSTRAINT "api_key_secrets_api_key_id_fkey" FOREIGN KEY ("api_key_id") REFERENCES "api_keys"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key_requests" ADD CONSTRAINT "api_key_requests_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key_requests" ADD CONSTRAINT "api_key_requests_api_key_id_fkey" FOREIGN KEY ("api_key_id") REFERENCES "api_keys"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "files" ADD CONSTRAINT "files_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE RESTRICT ON UPDATE CASCADE;



-- What Prisma's schema language cannot say.

-- The ledger may never go below nothing. (used + reserved may stand above a quota that an admin has lowered.)
ALTER TABLE "spaces" ADD CONSTRAINT "spaces_counts_not_negative"
  CHECK ("used_bytes" >= 0 AND "used_objects" >= 0 AND "reserved_bytes" >= 0 AND "reserved_objects" >= 0);
ALTER TABLE "spaces" ADD CONSTRAINT "spaces_prefix_ends_in_slash" CHECK ("prefix" LIKE '%/');
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_conflict_known" CHECK ("conflict" IN ('replace', 'keepBoth', 'fail'));
ALTER TABLE "files" ADD CONSTRAINT "files_size_not_negative" CHECK ("size_bytes" >= 0);

-- A space's row is rewritten twice for each upload: room in its page keeps those updates off the indexes.
ALTER TABLE "spaces" SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
-- Rows of uploads and tombstones live for seconds: vacuum by count, not by share.
ALTER TABLE "uploads" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE "object_tombstones" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
