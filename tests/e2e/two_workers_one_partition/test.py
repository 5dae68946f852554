"""Two workers on one partition: the later one takes it over, and no offset is applied by both."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from migration import END_BARRIER, Migration

ROWS = 8000
TABLE = "create table things (id int primary key, name text)"
QUERY = "select * from things order by id"


def the_later_worker_takes_over_and_the_earlier_one_ends(parts):
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
        backfill={"rate": 1500, "page": 100},
        apply={"batch_rows": 200},
    )
    migration.watch({"public.things": "id"})
    producer = migration.start("rowhaul-producer")
    producer.wait_event("generation_claimed", 30)
    assign = migration.topic("things") + ":0"

    earlier = migration.start("rowhaul-worker", "--assign", assign, "--name", "earlier")
    migration.wait_accepted(2000, process=earlier)
    later = migration.start("rowhaul-worker", "--assign", assign, "--name", "later")

    check_equal(earlier.wait(30), 13, "exit code of the earlier worker")
    check(
        earlier.events(code="WORKER_FENCED"), "no event with the code WORKER_FENCED:\n" + earlier.stderr
    )
    wait_until(lambda: barrier_seen(migration), 60, "the end barrier")
    check_equal(later.terminate(), 0, "exit code of the later worker")
    check_equal(producer.wait(10), 0, "exit code of the producer")

    check_equal(same_rows(source, QUERY, target, QUERY), ROWS, "rows compared")
    check_equal(
        migration.ledger("select owner, epoch from rowhaul.offsets where run = $run"),
        [("later", "2")],
        "owner and epoch",
    )
    migration.check_applied()
    migration.check_written_once()
    migration.check_offsets_applied_once()


def barrier_seen(migration):
    return migration.ledger(
        "select 1 from rowhaul.barrier_seen where run = $run and barrier = %d" % END_BARRIER
    )


main(the_later_worker_takes_over_and_the_earlier_one_ends)
