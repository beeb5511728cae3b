-- Since when nobody looks after a message any more, and when its text and recipient were erased. What follows on the
-- end, as `delivered` on `sent`, leaves the first as it is: no indexed column changes then, and no index is written to.
ALTER TABLE messages
    ADD COLUMN ended_at bigint,
    ADD COLUMN erased_at bigint;

UPDATE messages
SET ended_at = coalesce(delivered_at, sent_at, least(expires_at, smsgw_now()))
WHERE check_at IS NULL
  AND state IN ('dispatched', 'sent', 'delivered', 'undelivered', 'failed', 'expired', 'canceled', 'unknown');

CREATE INDEX messages_ended ON messages (ended_at) WHERE ended_at IS NOT NULL AND erased_at IS NULL;

ALTER TABLE inbox ADD COLUMN erased_at bigint;

CREATE INDEX inbox_kept ON inbox (received_at) WHERE erased_at IS NULL;
