-- What is sent at once changes no index on its way: those that would change are kept up behind it, by whoever looks.

-- Messages that were added in one batch and are leased until one time: that they are looked at then is noted once for all of
-- them. Whoever looks notes it of each that still needs it, in its row, and removes the batch.
CREATE TABLE message_leases (
    look_at bigint NOT NULL,
    since   bigint NOT NULL, -- when the oldest was made
    ids     uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Ids do not compress.
ALTER TABLE message_leases ALTER COLUMN ids SET STORAGE EXTERNAL;

CREATE INDEX message_leases_look ON message_leases (look_at);
CREATE INDEX message_leases_since ON message_leases (since);

-- leased_until: when the batch that a message came in is looked at; nothing more to say once that was.
-- kept_since: since when it is kept, where somebody has found that it is not since it was made; never later than ended_at.
ALTER TABLE messages
    ADD COLUMN leased_until bigint,
    ADD COLUMN kept_since bigint;

DROP INDEX messages_ended;
CREATE INDEX messages_kept ON messages ((coalesce(kept_since, created_at))) WHERE erased_at IS NULL;
CREATE INDEX messages_of_device ON messages (device, created_at DESC, id DESC) WHERE device IS NOT NULL;
