"""Rows that only block each other: the target has {1: a, 2: b} from before, the source {1: b, 2: a}.

Each row alone collides with another one for ever. They are written together, or all of them stay behind.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check_equal, main, same_rows, wait_until
from migration import Migration

TABLE = "create table users (id int primary key, mail text constraint one_mail unique, age int)"
MAPPING = "  - {from: public.users, to: [{table: public.users}]}"
ROWS = "select * from users order by id"


def older(parts, rows, filled, target_table=TABLE, mapping=MAPPING, **sections):
    """A run whose messages are all in Kafka, and a target that was filled before they were applied.

    `rows` and `filled` are queries of two columns, id and mail.
    """
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE + "; insert into users (id, mail) " + rows)
    target.sql(target_table)
    migration = Migration(parts, source, target, mapping, **sections)
    check_equal(migration.call(program="rowhaul-producer").wait(0), 0, "exit code of the producer")
    target.sql("insert into users (id, mail) " + filled)
    return source, target, migration


def rejects(target):
    return target.sql("select kind, sqlstate, source_key[1]::int from rowhaul.rejects order by 3")


def check_swapped(source, target, migration, rows, *processes):
    swapped = [event for process in processes for event in process.events("parked_swapped")]
    check_equal(sum(event["rows"] for event in swapped), rows, "rows that were written together")
    check_equal(rejects(target), [], "rejects left")
    same_rows(source, ROWS, target, ROWS)
    migration.check_ledger()


def two_rows_of_one_partition_are_swapped(parts):
    source, target, migration = older(
        parts, "values (1, 'b'), (2, 'a'), (3, 'c')", "values (1, 'a'), (2, 'b')", topics={"partitions": 1}
    )
    check_swapped(source, target, migration, 2, migration.finish())


def cycles_across_partitions_and_workers_are_resolved(parts):
    # Thirty cycles of three, one of forty, and a hundred rows beside them.
    before = "select i, 'm' || i from generate_series(1, 130) i"
    after = """
        select i, 'm' || case when i <= 90 then (i - 1) / 3 * 3 + i % 3 + 1
                              when i <= 130 then 91 + (i - 90) % 40
                              else i end
          from generate_series(1, 230) i"""
    source, target, migration = older(parts, after, before, topics={"partitions": 2})
    workers = []
    for number in range(2):
        workers.append(
            migration.start("rowhaul-worker", "--assign", "%s:%d" % (migration.topic("users"), number))
        )
        workers[number].wait_event("row_parked", 30)
    wait_until(lambda: rejects(target) == [], 30, "the parked rows to arrive")
    for worker in workers:
        check_equal(worker.terminate(), 0, "exit code of the worker")
    check_equal(workers[0].events("partition_assigned", partition=1), [], "partition 1 of worker 0")
    migration.finish()
    check_swapped(source, target, migration, 130, *workers)


def a_chain_that_ends_in_a_foreign_row_is_dead_and_a_swap_beside_it_is_not(parts):
    # 1 waits for 2 and 2 for 3, and 3 for a row that no message speaks of; 4 for another such row.
    source, target, migration = older(
        parts,
        "values (1, 'two'), (2, 'three'), (3, 'nobody'), (4, 'x'), (7, 'b'), (8, 'a')",
        "values (1, 'one'), (2, 'two'), (3, 'three'), (99, 'nobody'), (98, 'x'), (7, 'a'), (8, 'b')",
        topics={"partitions": 2},
    )
    migration.finish(code=1)
    check_equal(rejects(target), [("dead", "23505", str(i)) for i in (1, 2, 3, 4)], "rejects")
    check_equal(
        target.sql("select id, mail from users order by id"),
        [("1", "one"), ("2", "two"), ("3", "three"), ("7", "b"), ("8", "a"), ("98", "x"), ("99", "nobody")],
        "rows of the target",
    )
    migration.check_ledger()


CHILDREN_OF = "; create table notes (user_id int references users on delete %s)"


def children_that_would_go_too_forbid_it(parts):
    for action in ("cascade", "set null"):
        source, target, migration = older(
            parts, "values (1, 'b'), (2, 'a')", "values (1, 'a'), (2, 'b')", TABLE + CHILDREN_OF % action
        )
        target.sql("insert into notes values (1), (2)")
        migration.finish(code=1)
        check_equal(rejects(target), [("dead", "23505", "1"), ("dead", "23505", "2")], "rejects with " + action)
        check_equal(target.sql("select * from notes order by 1"), [("1",), ("2",)], "children with " + action)
        migration.check_ledger()


def children_that_hold_a_row_leave_the_others_free(parts):
    source, target, migration = older(
        parts,
        "values (1, 'b'), (2, 'a'), (3, 'd'), (4, 'c')",
        "values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
        TABLE + CHILDREN_OF % "no action",
        topics={"partitions": 1},
    )
    target.sql("insert into notes values (1)")
    migration.finish(code=1)
    check_equal(rejects(target), [("dead", "23505", "1"), ("dead", "23505", "2")], "rejects")
    check_equal(
        target.sql("select id, mail from users order by id"),
        [("1", "a"), ("2", "b"), ("3", "d"), ("4", "c")],
        "rows of the target",
    )
    migration.check_ledger()


def a_long_shift_does_not_take_a_retry_a_row(parts):
    # Each row waits for the next one, and only the last one is free.
    rows = "select i, 'm' || i + %d from generate_series(1, 400) i"
    source, target, migration = older(parts, rows % 1, rows % 0, topics={"partitions": 3})
    migration.finish()
    same_rows(source, ROWS, target, ROWS)
    check_equal(rejects(target), [], "rejects left")
    migration.check_ledger()


TRIGGER = """;
create table gone (id int);
create function note_gone() returns trigger language plpgsql as $$
begin insert into gone values (old.id); return null; end $$;
create trigger note_gone after delete on users for each row execute function note_gone()"""


def a_trigger_on_delete_forbids_it(parts):
    source, target, migration = older(
        parts, "values (1, 'b'), (2, 'a')", "values (1, 'a'), (2, 'b')", TABLE + TRIGGER
    )
    migration.finish(code=1)
    check_equal(target.sql("select * from gone"), [], "rows that the trigger saw going")
    check_equal(rejects(target), [("dead", "23505", "1"), ("dead", "23505", "2")], "rejects")


def a_role_that_may_not_delete_leaves_them_parked(parts):
    source, target, migration = older(parts, "values (1, 'b'), (2, 'a')", "values (1, 'a'), (2, 'b')")
    role = parts.unique("mover")
    target.sql("create role %s login password 'test'" % role)
    parts.at_end(lambda: target.sql("drop owned by %s; drop role %s" % (role, role)))
    target.sql(
        "grant select, insert, update on users to {0}; grant usage on schema rowhaul to {0};"
        " grant select, insert, update, delete on all tables in schema rowhaul to {0};"
        " grant create, temporary on database \"{1}\" to {0}".format(role, target.name)
    )
    migration.environment["TARGET_URL"] = re.sub("//[^@]*@", "//%s:test@" % role, target.url)
    worker = migration.start("rowhaul-worker")
    wait_until(lambda: [kind for kind, _, _ in rejects(target)] == ["dead", "dead"], 30, "both to be dead")
    check_equal(worker.events("swap_refused"), [], "refusals")


# Fires for rows that are really inserted, so in the ordinary retries for none.
STUBBORN = """
create sequence tries;
create function refuse() returns trigger language plpgsql as $$
begin if nextval('tries') <= %d then raise exception 'not now' using errcode = '40P01'; end if; return null; end $$;
create trigger refuse after insert on users for each row execute function refuse()"""


def a_swap_that_the_target_ends_is_tried_again(parts):
    source, target, migration = older(parts, "values (1, 'b'), (2, 'a')", "values (1, 'a'), (2, 'b')")
    target.sql(STUBBORN % 1)
    done = migration.finish()
    check_equal(len(done.events("swap_refused")), 1, "refusals")
    check_swapped(source, target, migration, 2, done)


def a_swap_that_the_target_always_ends_does_not_keep_the_run_from_its_end(parts):
    source, target, migration = older(parts, "values (1, 'b'), (2, 'a')", "values (1, 'a'), (2, 'b')")
    target.sql(STUBBORN % 9999)
    migration.finish(code=1)
    check_equal(rejects(target), [("dead", "23505", "1"), ("dead", "23505", "2")], "rejects")
    migration.check_ledger()


def every_output_of_a_row_moves_with_it(parts):
    source, target, migration = older(
        parts,
        "values (1, 'b'), (2, 'a')",
        "values (1, 'a'), (2, 'b')",
        TABLE + "; create table ages (id int primary key, mail text)",
        "  - {from: public.users, to: [{table: public.users},"
        " {table: public.ages, drop: [age]}]}",
    )
    check_swapped(source, target, migration, 2, migration.finish())
    same_rows(source, "select id, mail from users order by id", target, "select * from ages order by id")


def ranges_that_exclude_each_other_are_swapped_too(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql("create table seats (id text primary key, taken int4range)")
    source.sql("insert into seats values ('left', '[5,9)'), ('right', '[1,5)')")
    target.sql("create table seats (id text primary key, taken int4range, exclude using gist (taken with &&))")
    migration = Migration(parts, source, target, "  - {from: public.seats, to: [{table: public.seats}]}")
    check_equal(migration.call(program="rowhaul-producer").wait(0), 0, "exit code of the producer")
    target.sql("insert into seats values ('left', '[1,5)'), ('right', '[5,9)')")
    migration.finish()
    same_rows(source, "select * from seats order by id", target, "select * from seats order by id")
    migration.check_ledger()


def a_worker_killed_in_the_middle_leaves_all_of_it_or_nothing(parts):
    source, target, migration = older(
        parts, "values (1, 'b'), (2, 'c'), (3, 'a')", "values (1, 'a'), (2, 'b'), (3, 'c')"
    )
    worker = migration.start("rowhaul-worker", environment={"ROWHAUL_FAILPOINTS": "after_swap=crash"})
    check_equal(worker.wait(60), 137, "exit code of the worker")
    check_equal(
        target.sql("select id, mail from users order by id"), [("1", "a"), ("2", "b"), ("3", "c")], "rows"
    )
    check_equal(target.value("select count(*) from rowhaul.rejects where kind = 'parked'"), "3", "parked rows")
    check_swapped(source, target, migration, 3, migration.finish())


main(
    two_rows_of_one_partition_are_swapped,
    cycles_across_partitions_and_workers_are_resolved,
    a_chain_that_ends_in_a_foreign_row_is_dead_and_a_swap_beside_it_is_not,
    a_long_shift_does_not_take_a_retry_a_row,
    children_that_would_go_too_forbid_it,
    children_that_hold_a_row_leave_the_others_free,
    a_trigger_on_delete_forbids_it,
    a_role_that_may_not_delete_leaves_them_parked,
    a_swap_that_the_target_ends_is_tried_again,
    a_swap_that_the_target_always_ends_does_not_keep_the_run_from_its_end,
    every_output_of_a_row_moves_with_it,
    ranges_that_exclude_each_other_are_swapped_too,
    a_worker_killed_in_the_middle_leaves_all_of_it_or_nothing,
)
