"""The thread through all programs: one table, from the source's pages to the target's rows."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration

ROWS = 5000
MAPPING = "- {from: public.events, to: [{table: public.events}]}"
QUERY = "select * from events order by id"

TABLE = """
create table events (
    id bigint primary key,
    name text,
    payload jsonb,
    amount numeric(12, 2) not null,
    tags text[],
    at timestamptz not null)"""

FILL = """
insert into events
select i * 7, case when i %% 10 <> 0 then 'Событие ' || i end,
       jsonb_build_object('n', i, 'text', repeat('ю', i %% 40)), i / 100.0,
       case when i %% 3 = 0 then array['a,b', null, '{' || i || '}'] end,
       timestamptz '2024-01-01' + i * interval '1 minute 1.000001 seconds'
  from generate_series(1, %d) i""" % ROWS

# Where each row stands and who wrote it: any write changes it.
PLACES = "select id, ctid, xmin from events order by id"


def prepare(parts, **backfill):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql(FILL)
    target.sql(TABLE)
    migration = Migration(parts, source, target, MAPPING, backfill=backfill)
    migration.watch({"public.events": "id"})
    return migration


def five_thousand_rows_arrive_once_and_the_books_balance(parts):
    migration = prepare(parts, page=500)
    source, target = migration.source, migration.target

    done = migration.finish()

    check_equal(same_rows(source, QUERY, target, QUERY), ROWS, "rows compared")
    migration.check_ledger()
    # One generation without a restart: each row was read, sent and accepted once.
    check_equal(
        migration.ledger(
            "select p.rows_read, p.rows_enqueued, p.generation,"
            " (select sum(o.accepted) from rowhaul.offsets o where o.run = p.run),"
            " (select sum(o.rows_written) from rowhaul.offsets o where o.run = p.run)"
            " from rowhaul.progress p where p.run = $run"
        ),
        [(str(ROWS), str(ROWS), "1", str(ROWS), str(ROWS))],
        "rows read, enqueued, generation, accepted, written",
    )
    used = migration.ledger("select count(*) from rowhaul.offsets where run = $run and accepted > 0")
    check_equal(used, [("4",)], "partitions that got rows")
    migration.check_written_once()
    migration.check_offsets_applied_once()

    check_status(migration)
    check_messages(migration)

    before = target.sql(PLACES), target.sql("select * from e2e.moves order by number")
    again = migration.finish()
    after = target.sql(PLACES), target.sql("select * from e2e.moves order by number")
    check(before == after, "the second run wrote into the target")
    check("events" in done.stdout, "the result does not name the table:\n" + done.stdout)
    check_equal(again.stdout, done.stdout, "the result that the second run prints")


def check_status(migration):
    status = migration.json("status")
    check_equal(status["state"], "completed", "state in status")
    check_equal(status["accounting"], {"balanced": True}, "accounting in status")
    check_equal(status["cutover"], {"ready": True, "reasons": []}, "cutover in status")
    (table,) = status["tables"]
    check_equal(
        {term: table[term] for term in ("id", "state", "rows_read", "applied", "pending")},
        {"id": "events", "state": "done", "rows_read": ROWS, "applied": ROWS, "pending": 0},
        "the table in status",
    )
    behind = [part for part in status["partitions"] if part["next_offset"] != part["high_offset"]]
    check_equal(behind, [], "partitions in status that are not at their end")


def check_messages(migration):
    """The topic holds each row once, between the greeting and the end of each partition."""
    messages = migration.json_lines("cat", migration.topic("events"))
    rows = {message["key"][0]: message["columns"] for message in messages if message["kind"] == "ROW"}
    check_equal(len(rows), ROWS, "keys in the topic")
    check_equal(rows["70"]["name"], None, "name of the row 70 in the topic")
    check_equal(rows["7"]["name"], "Событие 1", "name of the row 7 in the topic")
    kinds = sorted((message["partition"], message["kind"]) for message in messages if message["kind"] != "ROW")
    expected = sorted((number, kind) for number in range(4) for kind in ("HELLO", "BARRIER"))
    heartbeats = [kind for kind in kinds if kind[1] == "HEARTBEAT"]
    check_equal([kind for kind in kinds if kind not in heartbeats], expected, "other messages in the topic")


def a_run_that_is_asked_to_leave_leaves_and_goes_on_later(parts):
    migration = prepare(parts, page=100, rate=1000)
    for rows, number, code in ((800, signal.SIGTERM, 143), (1600, signal.SIGINT, 130)):
        run = migration.start("rowhaul", "run")
        migration.wait_accepted(rows, process=run)
        run.signal(number)
        check_equal(run.wait(15), code, "exit code of rowhaul run after signal %d" % number)
        check_equal(run.children(), [], "processes that rowhaul run left behind")

    migration.finish(file=migration.write("fast.yaml", backfill={"rate": 100000}))

    check_equal(same_rows(migration.source, QUERY, migration.target, QUERY), ROWS, "rows compared")
    migration.check_ledger()
    migration.check_written_once()
    migration.check_offsets_applied_once()


main(
    five_thousand_rows_arrive_once_and_the_books_balance,
    a_run_that_is_asked_to_leave_leaves_and_goes_on_later,
)
