-- When a key came: it is good for a day.
ALTER TABLE idempotency ADD COLUMN created_at bigint NOT NULL DEFAULT smsgw_now();

CREATE INDEX idempotency_age ON idempotency (created_at);
