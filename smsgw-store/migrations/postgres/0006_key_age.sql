-- When a key came: it is good for a day. Those of before are as old as their messages.
ALTER TABLE idempotency ADD COLUMN created_at bigint NOT NULL DEFAULT smsgw_now();

UPDATE idempotency AS i SET created_at = m.created_at FROM messages AS m WHERE m.id = i.message;

CREATE INDEX idempotency_age ON idempotency (created_at);
