-- Times are microseconds since 1970-01-01T00:00:00Z. All of them come from here: tests put another function in its
-- place.
CREATE FUNCTION smsgw_now() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

-- The indexes over columns that change are partial: a message is in one only as long as that question may be asked
-- of it. Where no indexed column changes, a row's next version lies beside it in the half of the page that is left
-- free, and no index is written to: so it is when a message is dispatched or acknowledged.
CREATE TABLE messages (
    id             uuid     PRIMARY KEY,
    account        uuid     NOT NULL,
    created_at     bigint   NOT NULL,
    due_at         bigint   NOT NULL,
    expires_at     bigint   NOT NULL,
    -- When somebody must look at it whatever happens. A queued message is left to its queue until its life ends.
    check_at       bigint,
    -- When it is looked at: never later than check_at, and null with it. What was moved on since is found out then.
    look_at        bigint,
    -- When a queued message may be pushed again, should the queue have lost it.
    requeue_at     bigint,
    sent_at        bigint,
    delivered_at   bigint,
    device         uuid,
    -- The device or account that may pull it, while it is set aside.
    waits_for      uuid,
    version        integer  NOT NULL DEFAULT 0, -- raised by each change; what is decided about one holds for no other
    epoch          integer  NOT NULL,           -- the number of claims; the fence of the last
    segments       smallint NOT NULL,
    sim            smallint,
    priority       smallint NOT NULL,           -- 0 normal, 1 high
    device_fixed   boolean  NOT NULL,
    state          text     NOT NULL,
    reason         text,
    encoding       text     NOT NULL,
    recipient      text     NOT NULL,
    body           text     NOT NULL,
    failure_code   text,
    failure_detail text
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX messages_newest ON messages (account, created_at DESC, id DESC);
CREATE INDEX messages_look ON messages (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX messages_requeue ON messages (requeue_at) WHERE requeue_at IS NOT NULL;
CREATE INDEX messages_waiting ON messages (waits_for, priority DESC, created_at, id) WHERE waits_for IS NOT NULL;
-- What a device may have in hand. Where it does not report, `dispatched` is the end, and nothing is looked at any more.
CREATE INDEX messages_device ON messages (device) WHERE look_at IS NOT NULL AND device IS NOT NULL;

CREATE TABLE message_events (
    seq     bigint  GENERATED ALWAYS AS IDENTITY,
    message uuid    NOT NULL,
    at      bigint  NOT NULL,
    device  uuid,
    report  uuid,               -- the device's report that made it; each counts once
    attempt integer NOT NULL,
    applied boolean NOT NULL,
    state   text    NOT NULL,
    reason  text,
    code    text
);

CREATE UNIQUE INDEX message_events_report ON message_events (message, report);

CREATE TABLE idempotency (
    account     uuid  NOT NULL,
    key         text  COLLATE "C" NOT NULL,
    message     uuid  NOT NULL,
    fingerprint bytea NOT NULL, -- SHA-256 of the request
    PRIMARY KEY (account, key)
);
