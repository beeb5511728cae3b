-- Who did what, or was refused. An event has one time, so that time and id are its key and the order of the log at once.
CREATE TABLE audit (
    at         bigint NOT NULL,
    id         uuid   NOT NULL,
    account    uuid,
    device     uuid,
    count      bigint NOT NULL,
    action     text   NOT NULL,
    refused    text,            -- why; null where it was done
    credential bytea,           -- the public part of a token or key
    target     text,
    origin     text,            -- an IP address
    PRIMARY KEY (at, id)
);

-- Partial: whoever is refused before it is known who that is, by the thousand perhaps, costs an entry in none of them.
CREATE INDEX audit_account ON audit (account, at DESC, id DESC) WHERE account IS NOT NULL;
CREATE INDEX audit_credential ON audit (credential, at DESC, id DESC) WHERE credential IS NOT NULL;
CREATE INDEX audit_device ON audit (device, at DESC, id DESC) WHERE device IS NOT NULL;
