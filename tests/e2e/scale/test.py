"""Workers come and go while a run is on its way: partitions move, rows neither get lost nor come twice."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration

ROWS = 45000
PARTITIONS = 6
TABLE = "create table readings (id bigint primary key, sensor int not null, value double precision, note text)"
QUERY = "select * from readings order by id"


def owners(migration):
    return [row[0] for row in migration.ledger("select owner from rowhaul.offsets where run = $run order by 1")]


def shares(run, migration, *names):
    """Waits until exactly these workers own the partitions."""
    deadline = time.monotonic() + 30
    while set(owners(migration)) != set(names):
        check(run.is_running(), "the run has ended before %s shared the partitions" % " and ".join(names))
        if time.monotonic() > deadline:
            check_equal(set(owners(migration)), set(names), "owners of the partitions, after 30 s")
        time.sleep(0.1)


def workers_that_come_and_go_share_the_partitions(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql(
        "insert into readings select i, i %% 100, i / 7.0::float8, 'Датчик ' || i from generate_series(1, %d) i"
        % ROWS
    )
    target.sql(TABLE)
    migration = Migration(
        parts,
        source,
        target,
        "- {from: public.readings, to: [{table: public.readings}]}",
        topics={"partitions": PARTITIONS},
        backfill={"rate": 1200, "page": 150},
        apply={"batch_rows": 300},
        kafka={"session.timeout.ms": "6000"},  # a worker that says nothing for so long has lost its partitions
    )
    migration.watch({"public.readings": "id"})
    run = migration.start("rowhaul", "run", "--workers", "1")
    migration.wait_accepted(1000, process=run)
    shares(run, migration, "worker-1")

    second = migration.start("rowhaul-worker", "--name", "second")
    third = migration.start("rowhaul-worker", "--name", "third")
    shares(run, migration, "worker-1", "second", "third")
    check_equal(second.terminate(), 0, "exit code of the worker that was asked to leave")
    shares(run, migration, "worker-1", "third")
    third.signal(signal.SIGSTOP)  # not gone, but too late when it goes on
    shares(run, migration, "worker-1")
    third.signal(signal.SIGCONT)
    shares(run, migration, "worker-1", "third")
    third.kill9()
    shares(run, migration, "worker-1")

    check_equal(run.wait(90), 0, "exit code of rowhaul run")
    check_equal(same_rows(source, QUERY, target, QUERY), ROWS, "rows compared")
    migration.check_ledger()
    migration.check_written_once()
    migration.check_offsets_applied_once()


main(workers_that_come_and_go_share_the_partitions)
