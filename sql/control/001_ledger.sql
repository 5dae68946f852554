-- The ledger: what a run has applied, rejected and seen. Installed in number order, each file
-- idempotent; everything is fully qualified because the target's search_path stays the role's own.

CREATE SCHEMA IF NOT EXISTS rowhaul;

CREATE TABLE IF NOT EXISTS rowhaul.runs (
    run               uuid PRIMARY KEY,
    migration         text NOT NULL UNIQUE,
    plan              json NOT NULL,       -- mapping text, used environment, both catalogs, topics
    system_identifier text NOT NULL,       -- of the source
    state             text NOT NULL DEFAULT 'created'
        CHECK (state IN ('created', 'running', 'completed', 'failed', 'paused')),
    reason            text,                -- of failed and paused
    created_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    completed_at      timestamptz
);

-- One row a partition. A batch's first statement moves next_offset, guarded by its old value and by
-- epoch; that row lock is what makes every offset apply in exactly one committed history.
CREATE TABLE IF NOT EXISTS rowhaul.offsets (
    run           uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    topic         text NOT NULL,
    partition     integer NOT NULL,
    table_id      text NOT NULL,
    next_offset   bigint NOT NULL DEFAULT 0,
    epoch         bigint NOT NULL DEFAULT 0,   -- grows with each owner
    owner         text,
    generation    bigint NOT NULL DEFAULT 0,   -- of the producer, as last accepted
    sequence      bigint NOT NULL DEFAULT 0,
    source_epoch  bigint NOT NULL DEFAULT 0,
    applied_lsn   pg_catalog.pg_lsn NOT NULL DEFAULT '0/0', -- highest seen, of pages and heartbeats too
    change_lsn    pg_catalog.pg_lsn NOT NULL DEFAULT '0/0', -- with applied_index: the last applied change
    applied_index bigint NOT NULL DEFAULT 0,
    -- Lifetime counters: each accepted ROW, DEL and OVERSIZE message is in exactly one term of the
    -- accounting identity; rejected, parked and oversize are the current rows of rowhaul.rejects.
    accepted      bigint NOT NULL DEFAULT 0,
    applied       bigint NOT NULL DEFAULT 0,
    unchanged     bigint NOT NULL DEFAULT 0,
    deleted       bigint NOT NULL DEFAULT 0,
    folded        bigint NOT NULL DEFAULT 0,
    filtered      bigint NOT NULL DEFAULT 0,
    deduplicated  bigint NOT NULL DEFAULT 0,
    superseded    bigint NOT NULL DEFAULT 0,
    skipped       bigint NOT NULL DEFAULT 0,   -- by the fence; counted apart
    rows_written  bigint NOT NULL DEFAULT 0,   -- target rows; counted beside
    bytes_applied bigint NOT NULL DEFAULT 0,   -- of message values accepted
    first_at      timestamptz,                 -- when the first and the last message were applied
    last_at       timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (run, topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS rowhaul.rejects (
    run             uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    table_id        text NOT NULL,
    source_key      text[] NOT NULL,       -- canonical parts, in key order
    kind            text NOT NULL CHECK (kind IN ('parked', 'dead')),
    kafka_topic     text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset    bigint NOT NULL,
    generation      bigint NOT NULL,
    sequence        bigint NOT NULL,
    lsn             pg_catalog.pg_lsn NOT NULL,
    sqlstate        text NOT NULL DEFAULT '',  -- '' where a rule refused, not the server
    rule            text,                      -- 'oversize', or the rule's id
    constraint_name text,
    column_name     text,
    message         text NOT NULL,
    payload         bytea NOT NULL,            -- the message's value as it stands in Kafka
    tries           integer NOT NULL DEFAULT 1,
    first_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    last_at         timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (run, table_id, source_key)
);
CREATE INDEX IF NOT EXISTS rejects_partition
    ON rowhaul.rejects (run, kafka_topic, kafka_partition, kind);

CREATE TABLE IF NOT EXISTS rowhaul.barrier_seen (
    run       uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    barrier   bigint NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (run, barrier, topic, partition)
);

-- Where the log may be read again from: what the fence knew of a partition at an offset. One every
-- few minutes.
CREATE TABLE IF NOT EXISTS rowhaul.offset_marks (
    run           uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    topic         text NOT NULL,
    partition     integer NOT NULL,
    next_offset   bigint NOT NULL,
    generation    bigint NOT NULL,
    sequence      bigint NOT NULL,
    source_epoch  bigint NOT NULL,
    change_lsn    pg_catalog.pg_lsn NOT NULL,
    applied_index bigint NOT NULL,
    marked_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (run, topic, partition, next_offset)
);

-- What operators ask of partitions' owners. A request that is not ended is begun anew by the next
-- owner; its counters are of the last beginning, and of no other books.
CREATE TABLE IF NOT EXISTS rowhaul.requests (
    request      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run          uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('replay')),
    table_id     text NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    from_offset  bigint NOT NULL,
    only_failed  boolean NOT NULL,             -- the keys in rowhaul.rejects only
    dry_run      boolean NOT NULL,
    state        text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    owner        text,
    to_offset    bigint,                       -- next_offset when it began
    messages     bigint NOT NULL DEFAULT 0,    -- read
    keys         bigint NOT NULL DEFAULT 0,    -- whose newest message was applied again:
    applied      bigint NOT NULL DEFAULT 0,    --   the target was changed
    unchanged    bigint NOT NULL DEFAULT 0,    --   it was as it should be
    refused      bigint NOT NULL DEFAULT 0,    --   they are in rowhaul.rejects
    rows_written bigint NOT NULL DEFAULT 0,    -- target rows; counted beside
    exit_code    integer,                      -- of failed, with code and message
    code         text,
    message      text,
    requested_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    begun_at     timestamptz,
    ended_at     timestamptz
);
CREATE INDEX IF NOT EXISTS requests_open
    ON rowhaul.requests (run, topic, partition) WHERE state IN ('waiting', 'running');

-- The producer's lifetime counters of each table, as they came with heartbeats and barriers.
CREATE TABLE IF NOT EXISTS rowhaul.progress (
    run           uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    table_id      text NOT NULL,
    generation    bigint NOT NULL DEFAULT 0,
    rows_read     bigint NOT NULL DEFAULT 0,
    rows_enqueued bigint NOT NULL DEFAULT 0,
    rows_dropped  bigint NOT NULL DEFAULT 0,
    rows_filtered bigint NOT NULL DEFAULT 0,
    rows_estimate bigint NOT NULL DEFAULT 0,
    done          boolean NOT NULL DEFAULT false,
    last_key      text[],
    updated_at    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (run, table_id)
);

-- What was taken off the target's tables for the run (foreign keys of cycles and self-references,
-- triggers), with how to restore it. Everything in it is schema-qualified.
CREATE TABLE IF NOT EXISTS rowhaul.deferred_ddl (
    run         uuid NOT NULL REFERENCES rowhaul.runs ON DELETE CASCADE,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    object_name text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('foreign key', 'trigger')),
    drop_sql    text NOT NULL,
    restore_sql text NOT NULL,
    validate_sql text,                         -- of a foreign key that was valid before
    state       text NOT NULL DEFAULT 'dropped' CHECK (state IN ('dropped', 'restored', 'not valid')),
    message     text,                          -- why a validation failed
    changed_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (run, schema_name, table_name, kind, object_name)
);

-- The documented columns of the requirement documents' own migration_state table.
CREATE OR REPLACE VIEW rowhaul.migration_state AS
SELECT pg_catalog.row_number() OVER (ORDER BY r.created_at, r.run)::integer AS id,
       r.migration AS migration_name,
       r.created_at AS started_at,
       r.completed_at,
       CASE r.state WHEN 'created' THEN 'running' ELSE r.state END AS status,
       (SELECT pg_catalog.array_to_string(p.last_key, ',')
          FROM rowhaul.progress p
         WHERE p.run = r.run AND p.last_key IS NOT NULL
         ORDER BY p.updated_at DESC LIMIT 1) AS last_processed_id,
       (SELECT coalesce(pg_catalog.sum(p.rows_estimate), 0)::bigint
          FROM rowhaul.progress p WHERE p.run = r.run) AS total_count,
       (SELECT coalesce(pg_catalog.sum(o.applied + o.unchanged + o.filtered + o.deduplicated), 0)::bigint
          FROM rowhaul.offsets o WHERE o.run = r.run) AS processed_count,
       (SELECT pg_catalog.count(*) FROM rowhaul.rejects j WHERE j.run = r.run) AS failed_count,
       (SELECT coalesce(pg_catalog.jsonb_agg(e.entry), '[]')
          FROM (SELECT pg_catalog.jsonb_build_object('table', j.table_id, 'key', j.source_key,
                           'kind', j.kind, 'sqlstate', j.sqlstate, 'message', j.message,
                           'at', j.last_at) AS entry
                  FROM rowhaul.rejects j WHERE j.run = r.run
                 ORDER BY j.last_at DESC LIMIT 100) e) AS error_log,
       pg_catalog.jsonb_build_object('run', r.run, 'reason', r.reason, 'tables',
           (SELECT pg_catalog.jsonb_object_agg(p.table_id, pg_catalog.to_jsonb(p) - 'run' - 'table_id')
              FROM rowhaul.progress p WHERE p.run = r.run)) AS metadata
  FROM rowhaul.runs r;
