"""Workers come and go while a run is on its way: partitions move, rows neither get lost nor come twice."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from migration import Migration

ROWS = 45000
SIGNALS_ROWS = 50000
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


# --- by signals to `rowhaul run`, and how long partitions stand still ---------------------------------------------------

# Kafka tells the others of a clean leave at once, and of a death when the session has ended.
LEAVE_S = 2
SESSION_S = 10
SLOW_MACHINE_S = 3  # for workers, servers and Kafka that share two cores with other tests
# Every move of a partition's offset, with whose it was and when.
WATCH_MOVES = """
create table e2e.handovers (number bigint generated always as identity, place text, owner text, at timestamptz);
create function e2e.note_handover() returns trigger language plpgsql as $$
begin
    insert into e2e.handovers (place, owner, at)
    values (new.topic || '/' || new.partition, new.owner, clock_timestamp());
    return null;
end $$;
create trigger e2e_handover after update on rowhaul.offsets for each row
    when (old.next_offset is distinct from new.next_offset) execute function e2e.note_handover();
"""


def longest_pause(migration, since):
    """The longest time between two batches of a partition, of which the second came after the move `since`."""
    pauses = migration.target.sql(
        "select place, extract(epoch from at - before), owner_before, owner from (select place, number, at, owner,"
        "  lag(at) over w as before, lag(owner) over w as owner_before"
        "  from e2e.handovers window w as (partition by place order by number)) h"
        " where number > %d and before is not null order by 2 desc limit 1" % since
    )
    place, seconds, before, after = pauses[0]
    return float(seconds), "%s of %s, from %s to %s" % (seconds, place, before, after)


def last_move(migration):
    return int(migration.target.value("select coalesce(max(number), 0) from e2e.handovers"))


def each_moves_again(migration, run):
    """Waits until every partition has been moved from now on."""
    query = "select count(distinct place) from e2e.handovers where number > %d" % last_move(migration)

    def moved():
        check(run.is_running(), "the run has ended before all partitions were moved again")
        return migration.target.value(query) == str(PARTITIONS)

    wait_until(moved, 30, "all partitions to be moved again")


def workers_that_come_and_go_by_signals_keep_partitions_waiting_only_shortly(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql(
        "insert into readings select i, i %% 100, i / 7.0::float8, 'Датчик ' || i from generate_series(1, %d) i"
        % SIGNALS_ROWS
    )
    target.sql(TABLE)
    migration = Migration(
        parts,
        source,
        target,
        "- {from: public.readings, to: [{table: public.readings}]}",
        topics={"partitions": PARTITIONS},
        backfill={"rate": 1200, "page": 100},
        apply={"batch_rows": 300},
    )
    migration.watch({"public.readings": "id"})
    target.sql(WATCH_MOVES)
    run = migration.start("rowhaul", "run", "--workers", "1")
    migration.wait_accepted(1000, process=run)
    shares(run, migration, "worker-1")

    run.signal(signal.SIGUSR1)
    run.wait_event("worker_added", 10, child="worker-2", workers=2)
    run.signal(signal.SIGUSR1)
    run.wait_event("worker_added", 10, child="worker-3", workers=3)
    shares(run, migration, "worker-1", "worker-2", "worker-3")

    since = last_move(migration)
    run.signal(signal.SIGUSR2)
    run.wait_event("worker_removed", 10, child="worker-3", workers=2)
    shares(run, migration, "worker-1", "worker-2")
    each_moves_again(migration, run)
    seconds, story = longest_pause(migration, since)
    print("longest pause after a clean leave: " + story)
    check(seconds < LEAVE_S + SLOW_MACHINE_S, "a clean leave kept a partition waiting for " + story)
    check_equal(len(run.events("child_ended", child="worker-3", exit=0)), 1, "good ends of the worker that left")

    # `run` starts it again just in time for the rebalance.
    run.kill_child("rowhaul-worker", "worker-2")
    since = last_move(migration)
    each_moves_again(migration, run)
    seconds, story = longest_pause(migration, since)
    print("longest pause after a kill: " + story)
    check(seconds < SESSION_S + SLOW_MACHINE_S, "a kill kept a partition waiting for " + story)

    run.signal(signal.SIGUSR2)
    run.wait_event("worker_removed", 10, child="worker-2", workers=1)
    run.signal(signal.SIGUSR2)
    run.wait_event("workers_kept", 10, workers=1)
    run.signal(signal.SIGUSR1)
    run.wait_event("worker_added", 10, child="worker-2", workers=2)
    check_equal(run.wait(90), 0, "exit code of rowhaul run")
    check_equal(run.children(), [], "processes that rowhaul run left behind")
    check_equal(same_rows(source, QUERY, target, QUERY), SIGNALS_ROWS, "rows compared")
    migration.check_ledger()
    migration.check_written_once()
    migration.check_offsets_applied_once()


main(
    workers_that_come_and_go_share_the_partitions,
    workers_that_come_and_go_by_signals_keep_partitions_waiting_only_shortly,
)
