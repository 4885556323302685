-- What came with an Idempotency-Key: exactly one effect, and its answer for a day.
SET LOCAL lock_timeout = '1s';

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "id" UUID NOT NULL,
    "scope" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "user_id" UUID,
    "fingerprint" BYTEA,
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "claimed_until" TIMESTAMPTZ(3) NOT NULL,
    "subject_type" TEXT,
    "subject_id" TEXT,
    "effect_at" TIMESTAMPTZ(3),
    "secret" BYTEA,
    "status" INTEGER,
    "reply" BYTEA,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "idempotency_keys_scope_key_key" ON "idempotency_keys"("scope", "key");

-- CreateIndex
CREATE INDEX "idempotency_keys_user_id_idx" ON "idempotency_keys"("user_id");

-- CreateIndex
CREATE INDEX "idempotency_keys_expires_at_idx" ON "idempotency_keys"("expires_at");

ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_answered" CHECK (("reply" IS NULL) = ("status" IS NULL));

-- Takes a key for one attempt: a new one, one whose day is over, or one whose attempt has ended without an effect.
-- p_fingerprint: null where the body is yet to come. p_now: by the service's clock; leases go by the database's.
-- outcome: claimed | reused (came with something else) | under_way (wait_seconds until its claim ends) | done (status and
-- reply are its answer) | made (there is an effect, and no answer)
CREATE FUNCTION idempotency_claim(
  p_id uuid, p_scope text, p_key text, p_user_id uuid, p_fingerprint bytea, p_lease_seconds integer, p_now timestamptz, p_expires_at timestamptz
)
RETURNS TABLE (
  outcome text, id uuid, attempt integer, fingerprint bytea, subject_type text, subject_id text, secret bytea, status integer, reply bytea, wait_seconds integer
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_row idempotency_keys%ROWTYPE;
BEGIN
  LOOP
    INSERT INTO idempotency_keys AS k (id, scope, key, user_id, fingerprint, claimed_until, expires_at)
    VALUES (p_id, p_scope, p_key, p_user_id, p_fingerprint, now() + make_interval(secs => p_lease_seconds), p_expires_at)
    ON CONFLICT (scope, key) DO UPDATE
    SET attempt = k.attempt + 1, claimed_until = excluded.claimed_until, expires_at = excluded.expires_at,
        fingerprint = CASE WHEN k.expires_at > p_now THEN coalesce(k.fingerprint, excluded.fingerprint) ELSE excluded.fingerprint END,
        subject_type = NULL, subject_id = NULL, effect_at = NULL, secret = NULL, status = NULL, reply = NULL
    WHERE k.claimed_until <= clock_timestamp() AND (
      k.expires_at <= p_now
      OR k.effect_at IS NULL AND k.status IS NULL AND coalesce(k.fingerprint = excluded.fingerprint, true)
    )
    RETURNING k.* INTO v_row;
    IF FOUND THEN
      outcome := 'claimed';
      EXIT;
    END IF;
    SELECT k.* INTO v_row FROM idempotency_keys k WHERE k.scope = p_scope AND k.key = p_key;
    -- Where it went in between, or its claim has just ended: once more.
    CONTINUE WHEN NOT FOUND;
    outcome := CASE
      WHEN p_fingerprint <> v_row.fingerprint THEN 'reused'
      WHEN v_row.status IS NOT NULL THEN 'done'
      -- Between effect and answer lie milliseconds: whoever did not answer since has died.
      WHEN v_row.effect_at <= clock_timestamp() - interval '2 seconds' THEN 'made'
      WHEN v_row.effect_at IS NOT NULL AND v_row.claimed_until <= clock_timestamp() THEN 'made'
      WHEN v_row.claimed_until > clock_timestamp() THEN 'under_way'
    END;
    EXIT WHEN outcome IS NOT NULL;
  END LOOP;
  id := v_row.id;
  attempt := v_row.attempt;
  fingerprint := v_row.fingerprint;
  subject_type := v_row.subject_type;
  subject_id := v_row.subject_id;
  secret := v_row.secret;
  status := v_row.status;
  reply := v_row.reply;
  wait_seconds := greatest(1, ceil(extract(epoch FROM v_row.claimed_until - clock_timestamp())));
  RETURN NEXT;
END $$;

-- Says in the transaction of an effect whose it is. Raises IK001 where this attempt is no longer the one that may: then
-- nothing of the transaction happens. Several entries of one attempt are one effect: the first one names it.
-- p_secret: sealed, what the answer holds and nothing else does.
CREATE FUNCTION idempotency_effect(p_id uuid, p_attempt integer, p_subject_type text, p_subject_id text, p_secret bytea DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE idempotency_keys k
  SET effect_at = clock_timestamp(), subject_type = p_subject_type, subject_id = p_subject_id, secret = p_secret,
      -- Of a request that came without credentials: whose account it goes with.
      user_id = coalesce(k.user_id, CASE p_subject_type
        WHEN 'user' THEN p_subject_id::uuid
        WHEN 'file' THEN (SELECT s.owner_id FROM files f JOIN spaces s ON s.id = f.space_id WHERE f.id = p_subject_id::uuid)
      END)
  WHERE k.id = p_id AND k.attempt = p_attempt AND k.effect_at IS NULL;
  IF NOT FOUND AND NOT EXISTS (
    SELECT 1 FROM idempotency_keys k WHERE k.id = p_id AND k.attempt = p_attempt AND k.effect_at IS NOT NULL
  ) THEN
    RAISE EXCEPTION 'attempt % of this idempotency key is over', p_attempt USING ERRCODE = 'IK001';
  END IF;
END $$;

-- As it was, and the effect of the attempt that p_audit may name: { ..., idempotency_id?, idempotency_attempt? }
CREATE OR REPLACE FUNCTION ledger_audit(p_audit jsonb, p_action text, p_subject_type text, p_subject_id uuid, p_metadata jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_logs (id, action, actor_type, actor_id, access_key_id, subject_type, subject_id, ip, user_agent, request_id, metadata)
  SELECT ledger_new_id(), p_action, a.actor_type, a.actor_id, a.access_key_id, p_subject_type, p_subject_id::text, a.ip,
         a.user_agent, a.request_id, p_metadata || coalesce(a.metadata, '{}')
  FROM jsonb_to_record(p_audit)
    AS a(actor_type text, actor_id uuid, access_key_id text, ip text, user_agent text, request_id text, metadata jsonb);
  IF p_audit ->> 'idempotency_id' IS NOT NULL THEN
    PERFORM idempotency_effect((p_audit ->> 'idempotency_id')::uuid, (p_audit ->> 'idempotency_attempt')::integer, p_subject_type, p_subject_id::text);
  END IF;
END $$;
