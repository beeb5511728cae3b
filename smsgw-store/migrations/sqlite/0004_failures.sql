-- How often a message's device has tried in vain to send it.
ALTER TABLE messages ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
