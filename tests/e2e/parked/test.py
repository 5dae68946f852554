"""Rows that came before what they refer to: they wait, and arrive by themselves when it is there."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from migration import Migration

MISSING = 999999

SOURCE = """
create table remarks (id int primary key, ticket_id int, text text);
insert into remarks select i, case when i %% 100 = 0 then %d end, 'r' || i from generate_series(1, 3000) i
""" % MISSING

# The parents are in no mapping: nobody but the test brings the missing one.
TARGET = """
create table tickets (id int primary key);
create table remarks (id int primary key, ticket_id int constraint remark_has_ticket references tickets, text text)"""

MAPPING = "  - {from: public.remarks, to: [{table: public.remarks}]}"

ROWS = "select * from remarks order by id"


def migration_of(parts, **sections):
    source, target = parts.source.database(), parts.target.database()
    source.sql(SOURCE)
    target.sql(TARGET)
    return source, target, Migration(parts, source, target, MAPPING, **sections)


def parked(target):
    return int(target.value("select count(*) from rowhaul.rejects where kind = 'parked'"))


def rows_arrive_when_what_they_wait_for_does(parts):
    # Slow enough that all 30 wait before the end.
    source, target, migration = migration_of(parts, backfill={"rate": 1500, "page": 300})
    run = migration.start("rowhaul", "run")
    run.wait_event("row_parked", 30)
    target.sql("insert into tickets values (%d)" % MISSING)
    check_equal(run.wait(60), 0, "exit code of rowhaul run")
    same_rows(source, ROWS, target, ROWS)
    check_equal(target.sql("select * from rowhaul.rejects"), [], "rejects left")
    migration.check_ledger()


def rows_that_wait_in_vain_are_dead_at_the_end(parts):
    source, target, migration = migration_of(parts)
    migration.finish(code=1)
    check_equal(
        target.sql("select kind, sqlstate, constraint_name, count(*), min(tries) > 1 from rowhaul.rejects group by 1, 2, 3"),
        [("dead", "23503", "remark_has_ticket", "30", "t")],
        "rejects",
    )
    check_equal(target.value("select count(*) from remarks"), "2970", "rows on the target")
    migration.check_ledger()


def a_worker_killed_while_it_tries_again_loses_nothing(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 1500, "page": 300}, run={"workers": 1})
    # The first try has the constraint's error; the parent comes before a later one is cut off.
    run = migration.start(
        "rowhaul", "run", environment={"ROWHAUL_FAILPOINTS": "after_parked_retry=crash@2"}
    )
    run.wait_event("row_parked", 30)
    target.sql("insert into tickets values (%d)" % MISSING)
    run.wait_event("child_killed", 30)
    check(parked(target) > 0, "the try that was cut off must not have been committed")
    # The successor meets the failpoint at its second try as well; by then all is done.
    wait_until(lambda: parked(target) == 0, 60, "the parked rows to arrive")
    run.wait(60)
    same_rows(source, ROWS, target, ROWS)
    migration.check_ledger()


main(
    rows_arrive_when_what_they_wait_for_does,
    rows_that_wait_in_vain_are_dead_at_the_end,
    a_worker_killed_while_it_tries_again_loses_nothing,
)
