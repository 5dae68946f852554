"""BEFORE ROW triggers on the target: they need a decision, and either decision does what it says."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration

SOURCE = """
create table pages (id int primary key, title text, updated_at timestamptz not null);
insert into pages select i, 't' || i, '2020-01-01'::timestamptz + i * interval '1 day' from generate_series(1, 2000) i"""

TARGET = """
create table pages (id int primary key, title text, updated_at timestamptz not null);
create function touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$;
create trigger touch_pages before insert or update on pages for each row execute function touch()"""

MAPPING = "  - {from: public.pages, to: [{table: public.pages%s}]}"

ENABLED = "select tgenabled from pg_trigger where tgname = 'touch_pages'"


def migration_of(parts, decision):
    source, target = parts.source.database(), parts.target.database()
    source.sql(SOURCE)
    target.sql(TARGET)
    return source, target, Migration(parts, source, target, MAPPING % decision)


def a_table_with_a_trigger_needs_a_decision(parts):
    source, target, migration = migration_of(parts, "")
    refused = migration.call("run")
    check_equal(refused.wait(0), 3, "exit code")
    for mend in ("triggers: off", "triggers: {fire:"):
        check(mend in refused.stderr, "the mend %r is missing in:\n%s" % (mend, refused.stderr))
    check_equal(target.value("select count(*) from pages"), "0", "rows on the target")


def off_means_off_for_the_run_and_on_again_afterwards(parts):
    source, target, migration = migration_of(parts, ", triggers: off")
    migration.finish()
    same_rows(source, "select * from pages order by id", target, "select * from pages order by id")
    check_equal(target.value(ENABLED), "O", "the trigger after the run")
    migration.check_ledger()


def a_killed_run_leaves_a_trigger_that_cleanup_brings_back(parts):
    source, target, migration = migration_of(parts, ", triggers: off")
    producer = migration.start("rowhaul-producer", environment={"ROWHAUL_FAILPOINTS": "after_hello=crash"})
    producer.wait(30)
    check_equal(target.value(ENABLED), "D", "the trigger during the run")
    check_equal(migration.call("cleanup", "--yes").wait(0), 0, "exit code of cleanup")
    check_equal(target.value(ENABLED), "O", "the trigger after cleanup")


def fired_columns_are_left_out_of_the_comparison(parts):
    source, target, migration = migration_of(parts, ", triggers: {fire: [updated_at]}")
    migration.finish()
    rows = "select id, title from pages order by id"
    same_rows(source, rows, target, rows)
    check_equal(target.value("select count(*) from pages where updated_at < '2026-01-01'"), "0", "rows that it missed")
    for mode in ("checksum", "rows"):
        check_equal(migration.call("verify", "--mode", mode).wait(0), 0, "verify --mode " + mode)
    target.sql("update pages set title = 'other' where id = 7")
    check_equal(migration.call("verify").wait(0), 5, "verify of a changed title")


main(
    a_table_with_a_trigger_needs_a_decision,
    off_means_off_for_the_run_and_on_again_afterwards,
    a_killed_run_leaves_a_trigger_that_cleanup_brings_back,
    fired_columns_are_left_out_of_the_comparison,
)
