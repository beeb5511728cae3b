-- Since when nobody looks after a message any more, and when its text and recipient were erased.
ALTER TABLE messages ADD COLUMN ended_at INTEGER;
ALTER TABLE messages ADD COLUMN erased_at INTEGER;

-- One that was left alone because it could not be read is not over.
UPDATE messages
SET ended_at = coalesce(delivered_at, sent_at, min(expires_at, unixepoch() * 1000000))
WHERE check_at IS NULL
  AND state IN ('dispatched', 'sent', 'delivered', 'undelivered', 'failed', 'expired', 'canceled', 'unknown');

CREATE INDEX messages_ended ON messages (ended_at) WHERE ended_at IS NOT NULL AND erased_at IS NULL;

ALTER TABLE inbox ADD COLUMN erased_at INTEGER;

CREATE INDEX inbox_kept ON inbox (received_at) WHERE erased_at IS NULL;
