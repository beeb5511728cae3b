-- How often a message's device has tried in vain to send it.
ALTER TABLE messages ADD COLUMN failures integer NOT NULL DEFAULT 0;
