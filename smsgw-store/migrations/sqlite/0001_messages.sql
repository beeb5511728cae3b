-- Ids are the 16 bytes of a UUID, times are microseconds since 1970-01-01T00:00:00Z.

-- A message has a short number of its own, so that indexes and events need not repeat its id. The indexes over
-- columns that change are partial: a message is in one only as long as that question may be asked of it.
CREATE TABLE messages (
    seq            INTEGER PRIMARY KEY,
    id             BLOB    NOT NULL UNIQUE,
    account        BLOB    NOT NULL,
    state          TEXT    NOT NULL,
    reason         TEXT,
    recipient      TEXT    NOT NULL,
    body           TEXT    NOT NULL,
    device         BLOB,
    device_fixed   INTEGER NOT NULL,
    sim            INTEGER,
    encoding       TEXT    NOT NULL,
    segments       INTEGER NOT NULL,
    priority       INTEGER NOT NULL, -- 0 normal, 1 high
    epoch          INTEGER NOT NULL, -- the number of claims; the fence of the last
    created_at     INTEGER NOT NULL,
    due_at         INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    sent_at        INTEGER,
    delivered_at   INTEGER,
    failure_code   TEXT,
    failure_detail TEXT,
    -- When somebody must look at it whatever happens. A queued message is left to its queue until its life ends.
    check_at       INTEGER,
    -- When a queued message may be pushed again, should the queue have lost it.
    requeue_at     INTEGER,
    -- The device or account that may pull it, while it is set aside.
    waits_for      BLOB
) STRICT;

CREATE INDEX messages_newest ON messages (account, created_at DESC, id DESC);
CREATE INDEX messages_check ON messages (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX messages_requeue ON messages (requeue_at) WHERE requeue_at IS NOT NULL;
CREATE INDEX messages_waiting ON messages (waits_for, priority DESC, created_at, id) WHERE waits_for IS NOT NULL;
-- Where a device does not report, `dispatched` is the end, and nothing is checked any more.
CREATE INDEX messages_dispatched ON messages (device) WHERE state = 'dispatched' AND check_at IS NOT NULL;

CREATE TABLE message_events (
    seq     INTEGER PRIMARY KEY,
    message INTEGER NOT NULL, -- messages.seq
    at      INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    attempt INTEGER NOT NULL,
    device  BLOB,
    reason  TEXT,
    code    TEXT,
    applied INTEGER NOT NULL,
    report  BLOB              -- the device's report that made it; each counts once
) STRICT;

CREATE UNIQUE INDEX message_events_report ON message_events (message, report);

CREATE TABLE idempotency (
    account     BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    message     INTEGER NOT NULL, -- messages.seq
    fingerprint BLOB    NOT NULL, -- SHA-256 of the request
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
