-- Messages that have come to a bad end are few among many.
CREATE INDEX messages_bad_ends ON messages (account, state, created_at DESC, id DESC)
WHERE state IN ('undelivered', 'failed', 'expired', 'canceled', 'unknown');
