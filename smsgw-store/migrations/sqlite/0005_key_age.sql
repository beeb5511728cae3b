-- When a key came: it is good for a day.
ALTER TABLE idempotency ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;

UPDATE idempotency SET created_at = (SELECT created_at FROM messages WHERE seq = message);

CREATE INDEX idempotency_age ON idempotency (created_at);
