"""With a rule taken away the end is wrong, and the comparison that all tests rest on sees it.

Each scenario runs twice, as it is and with the control that breaks one rule (docs/failpoints.md). What
passes both times would say nothing about the rule.
"""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import Failure, check, check_equal, main, same_rows, wait_until
from kafka_admin import KafkaError
from kafka_log import cut_out_batch
from migration import END_BARRIER, Migration

ROWS = 3000
BATCH = 500
HOLD_MS = 1500  # how long a worker waits to be stopped
TABLE = "create table things (id int primary key, name text)"
QUERY = "select * from things order by id"


def migration_of(parts, **sections):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql("insert into things select i, 'Вещь ' || i from generate_series(1, %d) i" % ROWS)
    target.sql(TABLE)
    mapping = "- {from: public.things, to: [{table: public.things}]}"
    return Migration(parts, source, target, mapping, **{"topics": {"partitions": 1}, **sections})


def start_worker(migration, name, *points):
    """A worker of its own with the one partition; `points` go into ROWHAUL_FAILPOINTS."""
    return migration.start(
        "rowhaul-worker",
        "--assign",
        migration.topic("things") + ":0",
        "--name",
        name,
        environment={"ROWHAUL_FAILPOINTS": ",".join(points)},
    )


def hold(worker, batches):
    """Stops a worker that sleeps before its next batch."""
    wait_until(lambda: len(worker.events("batch_committed")) == batches, 30, "%d batches" % batches)
    worker.signal(signal.SIGSTOP)


def produce(migration):
    check_equal(migration.call(program="rowhaul-producer").wait(0), 0, "exit code of the producer")


def wait_for_the_end(migration, worker):
    def seen():
        rows = migration.ledger(
            "select 1 from rowhaul.barrier_seen where run = $run and barrier = %d" % END_BARRIER
        )
        check(rows or worker.is_running(), "%s ended before the end barrier" % worker.label)
        return rows

    wait_until(seen, 60, "the end barrier")


def complaint(oracle):
    """What an oracle finds wrong, or None."""
    try:
        oracle()
    except Failure as found:
        return str(found)
    return None


def check_complaint(found, words):
    check(found is not None, "nothing was found wrong, though a rule was not kept")
    check(words in found, "expected a complaint with %r, got:\n%s" % (words, found))
    print("  seen: " + found.partition("\n")[0])


def compare(migration):
    same_rows(migration.source, QUERY, migration.target, QUERY)


# --- the compare-and-set of the worker's offset -------------------------------------------------------


def two_owners(parts, *controls):
    """One sleeps with a batch in hand while the other takes its partition over and applies everything."""
    migration = migration_of(parts, apply={"batch_rows": BATCH})
    migration.watch({"public.things": "id"})
    produce(migration)
    earlier = start_worker(migration, "earlier", "before_batch=sleep:%d@2" % HOLD_MS, *controls)
    hold(earlier, batches=1)
    later = start_worker(migration, "later", *controls)
    wait_for_the_end(migration, later)
    earlier.signal(signal.SIGCONT)
    return migration, earlier, later


def check_both_histories(migration):
    compare(migration)
    migration.check_applied()
    migration.check_written_once()
    migration.check_offsets_applied_once()


def an_owner_that_was_replaced_cannot_move_the_offset(parts):
    migration, earlier, later = two_owners(parts)
    check_equal(earlier.wait(30), 13, "exit code of the earlier worker")
    check_equal(later.terminate(), 0, "exit code of the later worker")
    check_both_histories(migration)


def without_the_compare_and_set_it_moves_it_back(parts):
    migration, earlier, later = two_owners(parts, "unsafe_no_cas=on")
    wait_until(lambda: len(earlier.events("batch_committed")) > 1, 30, "the earlier worker to go on")
    for worker in (earlier, later):
        check_equal(worker.terminate(), 0, "exit code of " + worker.label)
    compare(migration)  # upserts of full images: only the history tells
    check_complaint(complaint(migration.check_offsets_applied_once), "moves of next_offset out of order")


def older_target(parts, *controls):
    """What a pooler may do without a word: behind the same session there is an older copy of the target."""
    migration = migration_of(parts, apply={"batch_rows": BATCH})
    produce(migration)
    points = ["before_batch=sleep:%d@%d" % (HOLD_MS, batch) for batch in (2, 4)]
    worker = start_worker(migration, "worker", *points, *controls)
    hold(worker, batches=1)
    migration.target.sql(
        "create table older_things as select * from things;"
        "create table older_offsets as select * from rowhaul.offsets"
    )
    worker.signal(signal.SIGCONT)
    hold(worker, batches=3)
    migration.target.sql(
        "begin; truncate things; delete from rowhaul.offsets;"
        "insert into things select * from older_things;"
        "insert into rowhaul.offsets select * from older_offsets; commit"
    )
    worker.signal(signal.SIGCONT)
    wait_for_the_end(migration, worker)
    check_equal(worker.terminate(), 0, "exit code of the worker")
    return migration, worker


def an_older_target_is_noticed(parts):
    migration, worker = older_target(parts)
    check(worker.events("ledger_moved_back"), "no event ledger_moved_back:\n" + worker.stderr)
    compare(migration)
    migration.check_applied()


def without_the_compare_and_set_its_rows_are_missing(parts):
    migration, worker = older_target(parts, "unsafe_no_cas=on")
    check_complaint(complaint(lambda: compare(migration)), "row %d differs" % (BATCH + 1))


# --- the prefix of acknowledged messages that a checkpoint covers --------------------------------------

LINGER_MS = 1000  # a page lies so long in the producer; a checkpoint is taken meanwhile


def refused_page(parts, *controls):
    """Kafka refuses the first pages; the next producer finds it ready to take them."""
    migration = migration_of(
        parts,
        kafka={"linger.ms": LINGER_MS},
        backfill={"rate": 200, "page": 200, "checkpoint": "100ms"},
    )
    points = ",".join(("after_hello=sleep:2500", *controls))
    producer = migration.start("rowhaul-producer", environment={"ROWHAUL_FAILPOINTS": points})
    topic = migration.topic("things")
    wait_until(lambda: hello_is_there(parts, topic), 30, "the producer's HELLO")
    parts.kafka.set_topic(topic, "max.message.bytes", 100)
    check_equal(producer.wait(30), 9, "exit code of the producer whose page was refused")
    parts.kafka.set_topic(topic, "max.message.bytes", 10_000_000)
    migration.finish(file=migration.write("fast.yaml", kafka={"linger.ms": 5}, backfill={"rate": 100000}))
    return migration


def hello_is_there(parts, topic):
    try:
        return topic in parts.kafka.topics(topic) and parts.kafka.end_offsets(topic, 1)[0] > 0
    except KafkaError:
        return False  # it has no leader yet


def a_checkpoint_waits_for_acknowledgements(parts):
    migration = refused_page(parts)
    compare(migration)
    migration.check_ledger()


def without_waiting_a_page_is_lost_in_silence(parts):
    migration = refused_page(parts, "unsafe_ack_early=on")
    migration.check_ledger()  # all books balance: nobody but a comparison with the source can tell
    check_complaint(complaint(lambda: compare(migration)), "row 1 differs")


# --- the sequence rule of the fence -------------------------------------------------------------------


def lost_batch(parts):
    """Two migrations; from the middle of what it acknowledged, Kafka has lost messages of both."""
    migrations = [migration_of(parts, backfill={"rate": 3000, "page": 200}) for _ in range(2)]
    for migration in migrations:
        produce(migration)
    parts.kill("kafka")
    for migration in migrations:
        cut_out_batch(parts.environment["KAFKA_LOG_DIR"], migration.topic("things"), 0)
    parts.restart("kafka")
    return migrations


def only_the_sequence_tells_that_messages_are_missing_in_the_middle(parts):
    kept, broken = lost_batch(parts)

    run = kept.finish(code=9)
    check(run.events(code="KAFKA_LOST_ACKED"), "no event with the code KAFKA_LOST_ACKED:\n" + run.stderr)
    check_equal(kept.target.value("select state from rowhaul.runs"), "failed", "state of the run")

    run = broken.start(
        "rowhaul", "run", "--until", "backfilled", environment={"ROWHAUL_FAILPOINTS": "unsafe_skip_seq=on"}
    )
    check_equal(run.wait(60), 0, "exit code of rowhaul run")
    broken.check_ledger()
    check_complaint(complaint(lambda: compare(broken)), " differs")


main(
    an_owner_that_was_replaced_cannot_move_the_offset,
    without_the_compare_and_set_it_moves_it_back,
    an_older_target_is_noticed,
    without_the_compare_and_set_its_rows_are_missing,
    a_checkpoint_waits_for_acknowledgements,
    without_waiting_a_page_is_lost_in_silence,
    only_the_sequence_tells_that_messages_are_missing_in_the_middle,
)
