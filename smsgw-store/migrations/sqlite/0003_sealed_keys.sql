-- The key of a device whose topics are made of it, sealed under the operator's secret.
ALTER TABLE device_keys ADD COLUMN sealed BLOB;
