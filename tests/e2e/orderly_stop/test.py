"""What is asked to leave ends in good order, and the run goes on from there."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check_equal, main, same_rows
from migration import Migration

ROWS, BATCH = 3000, 500
TABLE = "create table things (id int primary key, name text)"
QUERY = "select * from things order by id"


def migration_of(parts, **sections):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql("insert into things select i, 'Вещь ' || i from generate_series(1, %d) i" % ROWS)
    target.sql(TABLE)
    mapping = "- {from: public.things, to: [{table: public.things}]}"
    return source, target, Migration(parts, source, target, mapping, topics={"partitions": 1}, **sections)


def a_worker_that_leaves_with_a_full_batch_leaves_no_gap(parts):
    source, target, migration = migration_of(parts, apply={"batch_rows": BATCH})
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


def a_producer_that_somebody_asked_to_leave_comes_back(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 500, "page": 100})
    run = migration.start("rowhaul", "run")
    migration.wait_accepted(500, process=run)
    os.kill(run.child("rowhaul-producer"), signal.SIGTERM)
    check_equal(run.wait_event("child_ended", 20)["exit"], 0, "exit code of the producer")
    # Its log ends without the end barrier, which is no loss: the producer has never sent it.
    check_equal(run.wait(60), 0, "exit code of rowhaul run")
    check_equal(same_rows(source, QUERY, target, QUERY), ROWS, "rows compared")
    migration.check_ledger()


main(
    a_worker_that_leaves_with_a_full_batch_leaves_no_gap,
    a_producer_that_somebody_asked_to_leave_comes_back,
)
