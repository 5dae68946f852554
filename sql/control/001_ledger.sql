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
