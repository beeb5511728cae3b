CREATE TABLE accounts (
    id         BLOB    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The public id and the SHA-256 of a credential, never the credential.
CREATE TABLE tokens (
    id         BLOB    NOT NULL PRIMARY KEY,
    account    BLOB    NOT NULL REFERENCES accounts (id),
    name       TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id           BLOB    NOT NULL PRIMARY KEY,
    account      BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    description  TEXT,
    protocol     TEXT    NOT NULL,
    rate_limit   TEXT,
    sims         TEXT    NOT NULL, -- JSON
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_newest ON devices (account, created_at DESC, id DESC);

CREATE TABLE device_keys (
    id           BLOB    NOT NULL PRIMARY KEY,
    device       BLOB    NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    digest       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX device_keys_newest ON device_keys (device, created_at DESC, id DESC);

-- SMS that devices have received.
CREATE TABLE inbox (
    device      BLOB    NOT NULL,
    id          BLOB    NOT NULL, -- unique for its device
    account     BLOB    NOT NULL,
    sender      TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    sim         INTEGER,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (device, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_newest ON inbox (account, received_at DESC, id DESC);
