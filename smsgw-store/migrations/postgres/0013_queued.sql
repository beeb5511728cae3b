-- What goes through the queue changes fewer indexes on its way: it is as if its queue had it on a lease, which is noted once for all
-- that were added with it. Whoever looks notes of each that is still queued, in its row, when it may be pushed again.

-- Whoever adds messages locks their table first, and so must we: the next step wants it.
LOCK TABLE messages IN SHARE MODE;

-- requeue_at: of messages that were pushed, when they may be pushed again, should the queue have lost them. They have no look_at,
-- so that gateways that do not know of this leave them alone.
ALTER TABLE message_leases
    ADD COLUMN requeue_at bigint,
    ALTER COLUMN look_at DROP NOT NULL;

CREATE INDEX message_leases_requeue ON message_leases (requeue_at) WHERE requeue_at IS NOT NULL;
