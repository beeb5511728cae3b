-- The state of a message that has come to a bad end, apart from the state of all: an index on that one would change with
-- each step of each message. Generated, so that it is right whoever writes.
ALTER TABLE messages ADD COLUMN bad_end text
    GENERATED ALWAYS AS (CASE WHEN state IN ('undelivered', 'failed', 'expired', 'canceled', 'unknown') THEN state END) STORED;

CREATE INDEX messages_bad_ends ON messages (account, bad_end, created_at DESC, id DESC) WHERE bad_end IS NOT NULL;
