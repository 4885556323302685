-- What was opened for an Idempotency-Key and then refused leaves nothing, and so no effect either.
SET LOCAL lock_timeout = '1s';

-- As `ledger_abort_session`, by the attempt that opened it and that p_audit may name: its key has no effect any more, unless the
-- upload is a file by now. Only that attempt's; where another one has the key, it stays as it is.
CREATE FUNCTION ledger_undo_session(p_space_id uuid, p_id uuid, p_audit jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v_outcome text := ledger_abort_session(p_space_id, p_id, p_audit - 'idempotency_id');
BEGIN
  IF v_outcome <> 'completed' THEN
    UPDATE idempotency_keys
    SET effect_at = NULL, subject_type = NULL, subject_id = NULL, secret = NULL
    WHERE id = (p_audit ->> 'idempotency_id')::uuid AND attempt = (p_audit ->> 'idempotency_attempt')::integer
      AND subject_type = 'upload' AND subject_id = p_id::text AND status IS NULL;
  END IF;
  RETURN v_outcome;
END $$;
