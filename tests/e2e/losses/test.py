"""What is gone or foreign is named, never skipped; and an older target is no loss at all."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import CHECKOUT, Database, check, check_equal, main, same_rows, wait_until
from kafka_admin import KafkaAdmin
from kafka_log import cut_off_tail
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
    """Ends with this exit code and an error of one of these codes, which is returned."""
    check_equal(process.wait(60), exit_code, "exit code")
    errors = [event for event in process.events() if event["level"] == "error"]
    named = [event for event in errors if event.get("code") in codes]
    check(named, "expected one of %s, got %s" % (sorted(codes), [str(event.get("code")) for event in errors]))
    return named[0]


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


def a_source_that_was_swapped_is_refused_in_one_sentence(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 3000, "page": 500})
    cut_off_in_the_middle(migration)
    other = parts.source.database()
    other.sql(SOURCE)
    run = migration.start("rowhaul", "run", environment={"SOURCE_URL": other.url})
    error = check_named(run, {"SOURCE_SWAPPED"}, 13)
    for name in (source.name, other.name):
        check(name in error["error"], "no %s in %r" % (name, error))
    check_equal([event["event"] for event in run.events() if event["level"] == "error"], ["run_failed"], "errors")
    check_equal(run.events("child_started"), [], "children that were started")
    migration.finish()  # the source it was created with still does
    same_rows(source, ALL, target, ALL)


# --- an acknowledged tail that the broker lost --------------------------------------------------------


def produced(migration):
    topic = migration.topic("parcels")
    return sum(migration.parts.kafka.end_offsets(topic, migration.parts.kafka.topics(topic)[topic]))


def start_producer(migration, rows):
    """The producer alone, until Kafka has acknowledged so many messages."""
    producer = migration.start("rowhaul-producer")
    producer.wait_event("generation_claimed", 30)
    wait_until(lambda: produced(migration) > rows, 30, "%d messages in Kafka" % rows)
    return producer


def lose_tails(parts, migration):
    """The broker comes back with the first half of each partition's batches, as after a disk's loss."""
    parts.kill("kafka")
    for number in range(2):
        cut_off_tail(parts.environment["KAFKA_LOG_DIR"], migration.topic("parcels"), number)
    parts.restart("kafka")


def a_tail_lost_before_it_was_applied_is_told_by_the_next_generation(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 3000, "page": 100})
    producer = start_producer(migration, 3000)
    check_equal(producer.terminate(), 0, "exit code of the producer")  # its last checkpoint covers all of it
    lose_tails(parts, migration)
    check_named(migration.start("rowhaul", "run"), {"KAFKA_LOST_ACKED"}, 9)
    check_equal(target.value("select state from rowhaul.runs"), "failed", "state of the run")
    check(int(target.value("select count(*) from parcels")) < 3000, "nothing behind the loss may be applied")


def a_tail_lost_under_a_living_producer_is_told_too(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 1200, "page": 100})
    producer = start_producer(migration, 3000)
    check(producer.is_running(), "the producer ended before its tail was lost")
    lose_tails(parts, migration)
    check_named(migration.start("rowhaul-worker"), {"KAFKA_LOST_ACKED"}, 9)
    check(int(target.value("select count(*) from parcels")) < 3000, "nothing behind the loss may be applied")


def a_tail_lost_after_it_was_applied_is_a_topic_that_was_cut(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 3000, "page": 100})
    check_equal(start_producer(migration, 3000).terminate(), 0, "exit code of the producer")
    worker = migration.start("rowhaul-worker")
    wait_until(migration.is_at_the_end, 30, "all of it to be applied")
    check_equal(worker.terminate(), 0, "exit code of the worker")
    applied = migration.ledger("select * from rowhaul.offsets order by 2, 3")
    lose_tails(parts, migration)
    check_named(migration.start("rowhaul-worker"), {"TOPIC_TRUNCATED"}, 9)
    after = migration.ledger("select * from rowhaul.offsets order by 2, 3")
    next_offset = 4
    check_equal([row[next_offset] for row in after], [row[next_offset] for row in applied], "offsets")


def a_tail_lost_under_everybody_ends_the_run(parts):
    source, target, migration = migration_of(parts, backfill={"rate": 1200, "page": 100})
    run = migration.start("rowhaul", "run")
    migration.wait_accepted(3000, process=run)
    lose_tails(parts, migration)
    # What the producer sends meanwhile may reach beyond the worker's place before it looks.
    check_named(run, {"TOPIC_TRUNCATED", "KAFKA_LOST_ACKED"}, 9)


def a_tail_lost_after_the_producer_has_ended_ends_the_run(parts):
    source, target, migration = migration_of(parts, backfill={"page": 100})
    check_equal(migration.call(program="rowhaul-producer").wait(0), 0, "exit code of the producer")
    lose_tails(parts, migration)
    # No producer would ever send again what is missing, and none says by heartbeats that it is.
    check_named(migration.start("rowhaul", "run"), {"KAFKA_LOST_ACKED"}, 9)


# --- messages of somebody else -----------------------------------------------------------------------


def a_good_message():
    """Key and value of a message of another run, as docs/wire-format.md has it."""
    with open(os.path.join(CHECKOUT, "tests", "vectors", "wire.txt"), encoding="utf-8") as file:
        key, value = re.search(r"^message row_page$.*?^key (\w+)\nvalue (\w+)$", file.read(), re.M | re.S).groups()
    return bytes.fromhex(key), bytes.fromhex(value)


def a_foreign_message_stops_the_worker_where_it_stands(parts):
    key, value = a_good_message()
    foreign = [
        (value, "TOPIC_FOREIGN", 'message belongs to run "5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095", but this is'),
        (b"\2" + value[1:], "WIRE_VERSION", "message has wire version 2, but this program reads version 1 only"),
        (value[:40], "WIRE_MALFORMED", "message has 40 bytes, its header alone takes 68"),
        (b"\1hello", "WIRE_MALFORMED", "message has 6 bytes, its header alone takes 68"),
        (b"", "WIRE_MALFORMED", "message is empty"),
        (None, "WIRE_MALFORMED", "message is empty"),
    ]
    source, target, migration = migration_of(
        parts, topics={"partitions": len(foreign)}, backfill={"rate": 6000, "page": 500}
    )
    producer = start_producer(migration, 3000)
    topic = migration.topic("parcels")
    offsets = [parts.kafka.produce(topic, number, key, value) for number, (value, _, _) in enumerate(foreign)]
    check_equal(producer.wait(30), 0, "exit code of the producer")
    ends = parts.kafka.end_offsets(topic, len(foreign))
    for number, (_, code, text) in enumerate(foreign):
        worker = migration.start("rowhaul-worker", "--assign", "%s:%d" % (topic, number))
        error = check_named(worker, {code}, 13)
        place = 'partition %d of topic "%s" at offset %d: ' % (number, topic, offsets[number])
        check(place + text in error["error"], "expected %s%s in %r" % (place, text, error))
        check(error.get("hint"), "no hint in %r" % error)
        check(ends[number] > offsets[number] + 1, "nothing stands behind the foreign message")
        (reached,) = migration.ledger(
            "select next_offset from rowhaul.offsets where run = $run and partition = %d" % number
        )[0]
        check(int(reached) <= offsets[number], "offset %s was reached, beyond %d" % (reached, offsets[number]))

    # What docs/errors.md tells to do.
    check_equal(migration.call("cleanup", "--yes").wait(0), 0, "exit code of rowhaul cleanup")
    target.sql("truncate parcels")
    migration.finish()
    same_rows(source, ALL, target, ALL)


main(
    a_topic_that_was_made_anew_stops_the_run,
    messages_that_retention_removed_stop_the_worker,
    a_source_that_was_swapped_is_refused_in_one_sentence,
    a_tail_lost_before_it_was_applied_is_told_by_the_next_generation,
    a_tail_lost_under_a_living_producer_is_told_too,
    a_tail_lost_after_it_was_applied_is_a_topic_that_was_cut,
    a_tail_lost_under_everybody_ends_the_run,
    a_tail_lost_after_the_producer_has_ended_ends_the_run,
    a_foreign_message_stops_the_worker_where_it_stands,
    an_older_target_goes_on_from_its_own_offsets,
)
