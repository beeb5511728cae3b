-- Jobs that are ready, by the id of their message. What is leased is not visible until its lease has run out.
CREATE TABLE queue_jobs (
    seq        bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    visible_at bigint   NOT NULL DEFAULT 0,
    message    uuid     NOT NULL,
    account    uuid     NOT NULL,
    device     uuid,
    lease      integer  NOT NULL DEFAULT 0, -- the number of leases; what settles one settles no other
    priority   smallint NOT NULL            -- 0 normal, 1 high
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE INDEX queue_jobs_ready ON queue_jobs (priority DESC, visible_at, seq);
