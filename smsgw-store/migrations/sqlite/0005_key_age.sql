-- When a key came: it is good for a day.
ALTER TABLE idempotency ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;

-- One whose message somebody has removed by hand is forgotten at once.
UPDATE idempotency SET created_at = coalesce((SELECT created_at FROM messages WHERE seq = message), 0);

CREATE INDEX idempotency_age ON idempotency (created_at);
