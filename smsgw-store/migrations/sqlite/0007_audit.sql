-- Who did what, or was refused. An event has one time, so that time and id are its key and the order of the log at once.
CREATE TABLE audit (
    at         INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    action     TEXT    NOT NULL,
    refused    TEXT,             -- why; null where it was done
    account    BLOB,
    credential BLOB,             -- the public part of a token or key
    device     BLOB,
    target     TEXT,
    origin     TEXT,             -- an IP address
    count      INTEGER NOT NULL,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- Partial: whoever is refused before it is known who that is, by the thousand perhaps, costs an entry in none of them.
CREATE INDEX audit_account ON audit (account, at DESC, id DESC) WHERE account IS NOT NULL;
CREATE INDEX audit_credential ON audit (credential, at DESC, id DESC) WHERE credential IS NOT NULL;
CREATE INDEX audit_device ON audit (device, at DESC, id DESC) WHERE device IS NOT NULL;
