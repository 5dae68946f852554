"""A worker that is asked to leave while its batch is full: it ends that batch, and takes nothing behind it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check_equal, main, same_rows
from migration import Migration

ROWS, BATCH = 3000, 500
TABLE = "create table things (id int primary key, name text)"
QUERY = "select * from things order by id"


def a_worker_that_leaves_with_a_full_batch_leaves_no_gap(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql("insert into things select i, 'Вещь ' || i from generate_series(1, %d) i" % ROWS)
    target.sql(TABLE)
    migration = Migration(
        parts,
        source,
        target,
        "- {from: public.things, to: [{table: public.things}]}",
        topics={"partitions": 1},
        apply={"batch_rows": BATCH},
    )
    check_equal(migration.call(program="rowhaul-producer").wait(0), 0, "exit code of the producer")
    # The message that did not fit into the batch is in hand while the batch is committed.
    worker = migration.start("rowhaul-worker", environment={"ROWHAUL_FAILPOINTS": "before_commit=sleep:2000@2"})
    worker.wait_event("batch_committed", 40)
    check_equal(worker.terminate(), 0, "exit code of the worker")

    check_equal(worker.events("sequence_gap"), [], "gaps")
    batches = [event["rows"] for event in worker.events("batch_committed")]
    check_equal(batches[1:], [BATCH], "rows of the batches after the first")
    check_equal(migration.accepted(), sum(batches), "messages that were applied")
    migration.finish()
    check_equal(same_rows(source, QUERY, target, QUERY), ROWS, "rows compared")
    migration.check_ledger()


main(a_worker_that_leaves_with_a_full_batch_leaves_no_gap)
