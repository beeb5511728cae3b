CREATE TABLE accounts (
    id         uuid   PRIMARY KEY,
    name       text   COLLATE "C" NOT NULL UNIQUE,
    created_at bigint NOT NULL
);

-- The public id and the SHA-256 of a credential, never the credential.
CREATE TABLE tokens (
    id         bytea  PRIMARY KEY,
    account    uuid   NOT NULL REFERENCES accounts (id),
    name       text   NOT NULL,
    digest     bytea  NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
);

CREATE TABLE devices (
    id           uuid   PRIMARY KEY,
    account      uuid   NOT NULL,
    name         text   NOT NULL,
    description  text,
    protocol     text   NOT NULL,
    rate_limit   text,
    sims         text   NOT NULL, -- JSON
    created_at   bigint NOT NULL,
    last_seen_at bigint
) WITH (fillfactor = 70);

CREATE INDEX devices_newest ON devices (account, created_at DESC, id DESC);

CREATE TABLE device_keys (
    id           bytea  PRIMARY KEY,
    device       uuid   NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    digest       bytea  NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint
) WITH (fillfactor = 70);

CREATE INDEX device_keys_newest ON device_keys (device, created_at DESC, id DESC);

-- SMS that devices have received.
CREATE TABLE inbox (
    device      uuid     NOT NULL,
    id          uuid     NOT NULL, -- unique for its device
    account     uuid     NOT NULL,
    received_at bigint   NOT NULL,
    sim         smallint,
    sender      text     NOT NULL,
    body        text     NOT NULL,
    PRIMARY KEY (device, id)
);

CREATE INDEX inbox_newest ON inbox (account, received_at DESC, id DESC);
