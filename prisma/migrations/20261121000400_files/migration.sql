-- Only what takes a moment under its locks; what takes longer comes in the migration after the next, while the service runs.
-- The locks are taken in the order in which requests take theirs, so that neither waits for the other, and nothing waits
-- behind them for longer than a second: then the migration is tried again.
SET LOCAL lock_timeout = '1s';
LOCK TABLE users, spaces, uploads, files, usage_entries IN ACCESS EXCLUSIVE MODE;

-- For searches in names; both may be created by any owner of a database since PostgreSQL 13.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- CreateEnum
CREATE TYPE "SharePermission" AS ENUM ('VIEW', 'EDIT');

-- CreateEnum
CREATE TYPE "OperationState" AS ENUM ('QUEUED', 'RUNNING', 'DONE', 'FAILED');

-- AlterTable
ALTER TABLE "files" ADD COLUMN     "trash_expires_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "spaces" ADD COLUMN     "folder_count" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "trash_bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "trash_days" INTEGER,
ADD COLUMN     "trash_objects" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "version_bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "version_objects" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "versions_kept" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "reservation_id" UUID;

-- AlterTable
ALTER TABLE "usage_entries" ADD COLUMN     "delta_trash_bytes" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "delta_version_bytes" BIGINT NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "folders" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "parent_id" UUID,
    "path" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "folders_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "file_versions" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "file_id" UUID NOT NULL,
    "object_key" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "sha256" CHAR(64) NOT NULL,
    "etag" TEXT NOT NULL,
    "content_type" TEXT NOT NULL,
    "category" TEXT NOT NULL,
    "uploaded_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "file_versions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reservations" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "bytes" BIGINT NOT NULL,
    "objects" BIGINT NOT NULL,
    "held_bytes" BIGINT NOT NULL,
    "held_objects" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "reservations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "space_categories" (
    "space_id" UUID NOT NULL,
    "category" TEXT NOT NULL,
    "files" BIGINT NOT NULL,
    "bytes" BIGINT NOT NULL,

    CONSTRAINT "space_categories_pkey" PRIMARY KEY ("space_id","category")
);

-- CreateTable
CREATE TABLE "usage_daily" (
    "space_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "added_bytes" BIGINT NOT NULL,
    "removed_bytes" BIGINT NOT NULL,
    "added_objects" BIGINT NOT NULL,
    "removed_objects" BIGINT NOT NULL,

    CONSTRAINT "usage_daily_pkey" PRIMARY KEY ("space_id","day")
);

-- CreateTable
CREATE TABLE "shares" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "owner_id" UUID NOT NULL,
    "file_id" UUID,
    "folder_id" UUID,
    "subject_id" UUID NOT NULL,
    "grantee_key" TEXT NOT NULL,
    "grantee_email" TEXT,
    "grantee_username" TEXT,
    "grantee_id" UUID,
    "permission" "SharePermission" NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "shares_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "share_links" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "owner_id" UUID NOT NULL,
    "file_id" UUID,
    "folder_id" UUID,
    "token_hash" BYTEA NOT NULL,
    "password_hash" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "max_downloads" INTEGER,
    "downloads" INTEGER NOT NULL DEFAULT 0,
    "max_upload_bytes" BIGINT,
    "max_upload_files" BIGINT,
    "reservation_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "share_links_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "operations" (
    "id" UUID NOT NULL,
    "space_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "params" JSONB NOT NULL,
    "state" "OperationState" NOT NULL DEFAULT 'QUEUED',
    "total" BIGINT NOT NULL,
    "done" BIGINT NOT NULL DEFAULT 0,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "operations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "folders_space_id_parent_id_path_idx" ON "folders"("space_id", "parent_id", "path");

-- CreateIndex
CREATE INDEX "folders_space_id_parent_id_created_at_id_idx" ON "folders"("space_id", "parent_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "folders_parent_id_idx" ON "folders"("parent_id");

-- CreateIndex
CREATE UNIQUE INDEX "folders_space_id_path_key" ON "folders"("space_id", "path");

-- CreateIndex
CREATE UNIQUE INDEX "file_versions_object_key_key" ON "file_versions"("object_key");

-- CreateIndex
CREATE INDEX "file_versions_file_id_id_idx" ON "file_versions"("file_id", "id");

-- CreateIndex
CREATE INDEX "file_versions_space_id_idx" ON "file_versions"("space_id");

-- CreateIndex
CREATE INDEX "reservations_expires_at_idx" ON "reservations"("expires_at");

-- CreateIndex
CREATE INDEX "reservations_space_id_idx" ON "reservations"("space_id");

-- CreateIndex
CREATE INDEX "shares_grantee_id_id_idx" ON "shares"("grantee_id", "id");

-- CreateIndex
CREATE INDEX "shares_grantee_key_idx" ON "shares"("grantee_key");

-- CreateIndex
CREATE INDEX "shares_owner_id_id_idx" ON "shares"("owner_id", "id");

-- CreateIndex
CREATE INDEX "shares_space_id_idx" ON "shares"("space_id");

-- CreateIndex
CREATE INDEX "shares_file_id_idx" ON "shares"("file_id");

-- CreateIndex
CREATE INDEX "shares_folder_id_idx" ON "shares"("folder_id");

-- CreateIndex
CREATE UNIQUE INDEX "shares_subject_id_grantee_key_key" ON "shares"("subject_id", "grantee_key");

-- CreateIndex
CREATE UNIQUE INDEX "share_links_token_hash_key" ON "share_links"("token_hash");

-- CreateIndex
CREATE UNIQUE INDEX "share_links_reservation_id_key" ON "share_links"("reservation_id");

-- CreateIndex
CREATE INDEX "share_links_owner_id_id_idx" ON "share_links"("owner_id", "id");

-- CreateIndex
CREATE INDEX "share_links_space_id_idx" ON "share_links"("space_id");

-- CreateIndex
CREATE INDEX "share_links_file_id_idx" ON "share_links"("file_id");

-- CreateIndex
CREATE INDEX "share_links_folder_id_idx" ON "share_links"("folder_id");

-- CreateIndex
CREATE INDEX "operations_space_id_id_idx" ON "operations"("space_id", "id");

-- AddForeignKey
ALTER TABLE "folders" ADD CONSTRAINT "folders_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "folders" ADD CONSTRAINT "folders_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "folders"("id") ON DELETE NO ACTION ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "file_versions" ADD CONSTRAINT "file_versions_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE NO ACTION ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "file_versions" ADD CONSTRAINT "file_versions_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "files"("id") ON DELETE NO ACTION ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "space_categories" ADD CONSTRAINT "space_categories_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "usage_daily" ADD CONSTRAINT "usage_daily_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shares" ADD CONSTRAINT "shares_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shares" ADD CONSTRAINT "shares_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shares" ADD CONSTRAINT "shares_grantee_id_fkey" FOREIGN KEY ("grantee_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shares" ADD CONSTRAINT "shares_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "files"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "shares" ADD CONSTRAINT "shares_folder_id_fkey" FOREIGN KEY ("folder_id") REFERENCES "folders"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_file_id_fkey" FOREIGN KEY ("file_id") REFERENCES "files"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_folder_id_fkey" FOREIGN KEY ("folder_id") REFERENCES "folders"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_reservation_id_fkey" FOREIGN KEY ("reservation_id") REFERENCES "reservations"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operations" ADD CONSTRAINT "operations_space_id_fkey" FOREIGN KEY ("space_id") REFERENCES "spaces"("id") ON DELETE CASCADE ON UPDATE CASCADE;


-- What Prisma's schema language cannot say.

ALTER TABLE "spaces" ADD CONSTRAINT "spaces_parts_not_negative"
  CHECK ("trash_bytes" >= 0 AND "trash_objects" >= 0 AND "version_bytes" >= 0 AND "version_objects" >= 0 AND "folder_count" >= 0
    AND "trash_bytes" + "version_bytes" <= "used_bytes" AND "trash_objects" + "version_objects" <= "used_objects") NOT VALID;
ALTER TABLE "spaces" ADD CONSTRAINT "spaces_settings_bounded"
  CHECK ("trash_days" BETWEEN 0 AND 3650 AND "versions_kept" BETWEEN 0 AND 100) NOT VALID;
ALTER TABLE "files" ADD CONSTRAINT "files_trash_is_whole" CHECK (("deleted_at" IS NULL) = ("trash_expires_at" IS NULL)) NOT VALID;
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_held_bounded"
  CHECK ("held_bytes" BETWEEN 0 AND "bytes" AND "held_objects" BETWEEN 0 AND "objects");
ALTER TABLE "shares" ADD CONSTRAINT "shares_one_subject"
  CHECK (num_nonnulls("file_id", "folder_id") = 1 AND "subject_id" = coalesce("file_id", "folder_id"));
ALTER TABLE "shares" ADD CONSTRAINT "shares_one_address" CHECK (num_nonnulls("grantee_email", "grantee_username") = 1);
ALTER TABLE "shares" ADD CONSTRAINT "shares_not_with_oneself" CHECK ("grantee_id" <> "owner_id");
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_one_subject" CHECK (num_nonnulls("file_id", "folder_id") = 1);
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_downloads_bounded" CHECK ("downloads" <= "max_downloads");
-- A drop is a folder's, and bounded.
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_drop_is_whole"
  CHECK (("max_upload_bytes" IS NULL) = ("max_upload_files" IS NULL) AND ("max_upload_bytes" IS NULL OR "folder_id" IS NOT NULL));

ALTER TABLE "operations" ADD CONSTRAINT "operations_finished_is_whole"
  CHECK (("finished_at" IS NULL) = ("state" IN ('QUEUED', 'RUNNING')));

-- Both are rewritten with each upload, as the space's own row is.
ALTER TABLE "space_categories" SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE "usage_daily" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
