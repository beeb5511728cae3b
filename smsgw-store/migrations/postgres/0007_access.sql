-- What an account may be allowed, and since when its tokens open nothing.
ALTER TABLE accounts
    ADD COLUMN role text NOT NULL DEFAULT 'user',
    ADD COLUMN closed_at bigint;

CREATE INDEX accounts_newest ON accounts (created_at DESC, id DESC);

-- What a token opens, names with a space between; nothing where it does not say. Those of before did all that is of
-- one account.
ALTER TABLE tokens
    ADD COLUMN scopes text NOT NULL DEFAULT '',
    ADD COLUMN last_used_at bigint,
    SET (fillfactor = 70);

UPDATE tokens SET scopes = 'messages:read messages:write devices:read devices:admin inbox:read';

CREATE INDEX tokens_newest ON tokens (account, created_at DESC, id DESC);
