-- Whether a device is given nothing new.
ALTER TABLE devices ADD COLUMN paused boolean NOT NULL DEFAULT false;
