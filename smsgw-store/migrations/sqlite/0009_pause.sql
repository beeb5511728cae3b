-- Whether a device is given nothing new.
ALTER TABLE devices ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
