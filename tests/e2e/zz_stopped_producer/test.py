"""A producer that is stopped for longer than its lock lives: slow, so by itself. two_producers has the rest."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from migration import Migration

ROWS = 4000
TABLE = "create table things (id int primary key, name text)"
QUERY = "select * from things order by id"
LOCK_LIVES_S = 30  # idle_session_timeout of the session that holds it


def lock_is_held(source):
    return source.value(
        "select count(*) from pg_locks where locktype = 'advisory' and database ="
        " (select oid from pg_database where datname = current_database())"
    ) != "0"


def the_lock_of_a_stopped_producer_is_free_after_30_s_and_it_ends_when_it_wakes_up(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql("insert into things select i, 'Вещь ' || i from generate_series(1, %d) i" % ROWS)
    target.sql(TABLE)
    migration = Migration(
        parts,
        source,
        target,
        "- {from: public.things, to: [{table: public.things}]}",
        backfill={"rate": 500, "page": 100},
    )
    migration.watch({"public.things": "id"})
    stopped = migration.start("rowhaul-producer")
    worker = migration.start("rowhaul-worker")
    migration.wait_accepted(300, process=stopped)
    check(lock_is_held(source), "the producer holds no lock")

    stopped.signal(signal.SIGSTOP)
    wait_until(lambda: not lock_is_held(source), LOCK_LIVES_S + 10, "the lock to be free")
    second = migration.start("rowhaul-producer", file=migration.write("fast.yaml", backfill={"rate": 100000}))
    check_equal(second.wait(30), 0, "exit code of the second producer")
    stopped.signal(signal.SIGCONT)
    check_equal(stopped.wait(30), 13, "exit code of the producer that was stopped")
    check(stopped.events(code="PRODUCER_FENCED"), "no event with the code PRODUCER_FENCED:\n" + stopped.stderr)

    wait_until(migration.is_at_the_end, 30, "the worker to reach the ends of the logs")
    check_equal(worker.terminate(), 0, "exit code of the worker")
    check_equal(same_rows(source, QUERY, target, QUERY), ROWS, "rows compared")
    migration.check_applied()
    migration.check_written_once()
    migration.check_offsets_applied_once()


main(the_lock_of_a_stopped_producer_is_free_after_30_s_and_it_ends_when_it_wakes_up)
