"""Two producers of one migration: the topics have one writer, whoever of them it is."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from migration import Migration

TABLE = "create table things (id int primary key, name text)"
MAPPING = "- {from: public.things, to: [{table: public.things}]}"
QUERY = "select * from things order by id"


def prepare(parts, rows, rate):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql("insert into things select i, 'Вещь ' || i from generate_series(1, %d) i" % rows)
    target.sql(TABLE)
    migration = Migration(parts, source, target, MAPPING, backfill={"rate": rate, "page": 200})
    migration.watch({"public.things": "id"})
    return migration


def generations(migration):
    return migration.ledger("select distinct generation from rowhaul.offsets where run = $run")


def check_result(migration, rows):
    """Everything of both producers is applied or skipped, and only one of them counted."""
    wait_until(migration.is_at_the_end, 30, "the workers to reach the ends of the logs")
    check_equal(same_rows(migration.source, QUERY, migration.target, QUERY), rows, "rows compared")
    migration.check_applied()
    migration.check_written_once()
    migration.check_offsets_applied_once()


def ended_as_fenced(producer, timeout):
    check_equal(producer.wait(timeout), 13, "exit code of the producer that was fenced")
    check(
        producer.events(code="PRODUCER_FENCED"),
        "no event with the code PRODUCER_FENCED:\n" + producer.stderr,
    )


def a_second_producer_is_refused_and_the_first_goes_on(parts):
    rows = 9000
    migration = prepare(parts, rows, rate=500)
    first = migration.start("rowhaul-producer")
    first.wait_event("generation_claimed", 30)
    worker = migration.start("rowhaul-worker")

    second = migration.start("rowhaul-producer")
    ended_as_fenced(second, 40)

    check(first.is_running(), "the first producer has ended: the test is too slow to prove anything")
    check_equal(generations(migration), [("1",)], "generations on the target")
    check_equal(first.wait(60), 0, "exit code of the first producer")
    check_equal(len(first.events("generation_claimed")), 1, "generations that the first producer claimed")
    check_result(migration, rows)
    check_equal(worker.terminate(), 0, "exit code of the worker")


def a_producer_that_slept_ends_when_it_wakes_up_replaced(parts):
    rows = 6000
    migration = prepare(parts, rows, rate=600)
    sleeper = migration.start("rowhaul-producer")
    worker = migration.start("rowhaul-worker")
    migration.wait_accepted(1000, process=sleeper)

    sleeper.signal(signal.SIGSTOP)
    # What idle_session_timeout does after 30 s: the server gives its lock back.
    migration.source.sql(
        "select pg_terminate_backend(l.pid) from pg_locks l"
        " where l.locktype = 'advisory' and l.database ="
        " (select oid from pg_database where datname = current_database())"
    )
    second = migration.start("rowhaul-producer", file=migration.write("fast.yaml", backfill={"rate": 100000}))
    check_equal(second.wait(60), 0, "exit code of the second producer")
    sleeper.signal(signal.SIGCONT)
    ended_as_fenced(sleeper, 40)

    check_equal(generations(migration), [("2",)], "generations on the target")
    check_result(migration, rows)
    check_equal(worker.terminate(), 0, "exit code of the worker")


main(
    a_second_producer_is_refused_and_the_first_goes_on,
    a_producer_that_slept_ends_when_it_wakes_up_replaced,
)
