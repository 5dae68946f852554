"""What is gone is named, never skipped; and an older target is no loss at all."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import Database, check, check_equal, main, same_rows, wait_until
from kafka_admin import KafkaAdmin
from migration import Migration

ROWS = 12000

SOURCE = """
create table parcels (id int primary key, text text);
insert into parcels select i, 'p' || i from generate_series(1, %d) i""" % ROWS

TARGET = "create table parcels (id int primary key, text text)"

MAPPING = "  - {from: public.parcels, to: [{table: public.parcels}]}"

ALL = "select * from parcels order by id"


def migration_of(parts, **sections):
    source, target = parts.source.database(), parts.target.database()
    source.sql(SOURCE)
    target.sql(TARGET)
    sections = {"topics": {"partitions": 2}, "run": {"workers": 1}, **sections}
    return source, target, Migration(parts, source, target, MAPPING, **sections)


def cut_off_in_the_middle(migration):
    run = migration.start("rowhaul", "run")
    migration.wait_accepted(2000, process=run)
    run.kill9()
    wait_until(lambda: not run.children(), 10, "the children to follow")


def check_named(process, codes, exit_code):
    check_equal(process.wait(60), exit_code, "exit code")
    named = {event.get("code") for event in process.events() if event["level"] == "error"}
    check(named & codes, "expected one of %s, got %s" % (sorted(codes), sorted(map(str, named))))


def a_topic_that_was_made_anew_stops_the_run(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 3000, "page": 500})
    cut_off_in_the_middle(migration)
    kafka = KafkaAdmin(parts.kafka_bootstrap)
    topic = migration.topic("parcels")
    kafka.delete_topics([topic])
    wait_until(lambda: topic not in kafka.topics(), 20, "the topic to go")
    kafka.create_topic(topic, 2)
    # What the next generation sends may already lie beyond the offset that the ledger waits for.
    check_named(migration.start("rowhaul", "run"), {"TOPIC_TRUNCATED", "KAFKA_LOST_ACKED"}, 9)
    check_equal(target.value("select state from rowhaul.runs"), "failed", "state of the run")


def messages_that_retention_removed_stop_the_worker(parts):
    source, target, migration = migration_of(parts)
    check_equal(migration.call(program="rowhaul-producer").wait(0), 0, "exit code of the producer")
    KafkaAdmin(parts.kafka_bootstrap).delete_records(migration.topic("parcels"), 0, 100)
    check_named(migration.start("rowhaul-worker"), {"RETENTION_LOST"}, 9)
    check_equal(target.value("select count(*) from parcels"), "0", "rows on the target")


def an_older_target_goes_on_from_its_own_offsets(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 3000, "page": 500})
    cut_off_in_the_middle(migration)
    older = parts.target.database("template \"%s\"" % target.name)
    migration.finish()
    same_rows(source, ALL, target, ALL)

    # A backup of the middle takes the place of the finished target.
    server = Database(parts.target.url)
    server.sql('alter database "%s" rename to "%s_new"' % (target.name, target.name))
    server.sql('alter database "%s" rename to "%s"' % (older.name, target.name))
    server.sql('alter database "%s_new" rename to "%s"' % (target.name, older.name))
    check(int(target.value("select count(*) from parcels")) < ROWS, "the older target must lack rows")

    migration.finish()
    same_rows(source, ALL, target, ALL)
    migration.check_ledger()


main(
    a_topic_that_was_made_anew_stops_the_run,
    messages_that_retention_removed_stop_the_worker,
    an_older_target_goes_on_from_its_own_offsets,
)
