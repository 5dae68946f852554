"""A log is applied once more: a target that was damaged is mended, a good one is left alone."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from kafka_admin import KafkaAdmin
from migration import Migration

ROWS = 12000
PARTITIONS = 3

TABLE = "create table items (id bigint primary key, code text not null, note text, price numeric(12, 2))"
SOURCE = TABLE + """;
insert into items
select i, 'c' || i, case when i %% 3 = 0 then E'tab\\tand \\\\ ' || i end, i / 7.0 from generate_series(1, %d) i
""" % ROWS
TARGET = TABLE.replace("items", "articles").replace("code text", "name text")

MAPPING = """
  - id: items
    from: public.items
    to: [{table: public.articles, columns: {id: id, name: {from: code}, note: note, price: price}}]
"""

EXPECTED = "select id, code, note, price from items order by id"
ACTUAL = "select id, name, note, price from articles order by id"


def migration_of(parts, target_sql=TARGET, **sections):
    source, target = parts.source.database(), parts.target.database()
    source.sql(SOURCE)
    target.sql(target_sql)
    sections = {"topics": {"partitions": PARTITIONS}, **sections}
    return source, target, Migration(parts, source, target, MAPPING, **sections)


def finished(parts, **options):
    source, target, migration = migration_of(parts, **options)
    migration.finish()
    return source, target, migration


def replay(migration, *arguments, code=0):
    lines = migration.json_lines("replay", "--table", "items", *arguments, code=code)
    check_equal({line["state"] for line in lines}, {"done"}, "states of the requests")
    return {
        name: sum(line[name] for line in lines) for name in ("messages", "keys", "applied", "unchanged", "refused")
    }


def offsets(migration):
    return sorted(migration.ledger("select topic, partition, next_offset from rowhaul.offsets where run = $run"))


def keys_of(migration, partition):
    """The ids whose messages are in this partition."""
    lines = migration.json_lines("cat", "items", "--partition", str(partition))
    return {line["key"][0] for line in lines if line["kind"] == "ROW"}


DAMAGE = """
update articles set name = 'wrong', price = 0 where id % 5 = 0;
delete from articles where id % 7 = 0;
update articles set note = coalesce(note, '') where id % 11 = 0"""
DAMAGED = "id % 5 = 0 or id % 7 = 0 or (id % 11 = 0 and note is null)"


def damage_is_mended_and_nothing_else_is_touched(parts):
    source, target, migration = finished(parts)
    before = offsets(migration)
    # Not the first: its number may be missing in a query without being noticed.
    one = keys_of(migration, 1)
    target.sql(DAMAGE)
    target.sql("create table stands as select id, xmin::text as written from articles")
    damaged = set(target_ids(source, "select id from items where " + DAMAGED))

    planned = replay(migration, "--partition", "1", "--dry-run")
    check_equal(planned["applied"], len(damaged & one), "rows that a dry run says would change")
    check_equal(planned["keys"], len(one), "keys of partition 1")
    check_equal(
        target.value("select count(*) from articles where name = 'wrong'"),
        source.value("select count(*) from items where id % 5 = 0 and id % 7 <> 0"),
        "damaged rows after a dry run",
    )

    counts = replay(migration, "--partition", "1")
    check_equal((counts["applied"], counts["refused"]), (len(damaged & one), 0), "applied and refused")
    wrong = set(target_ids(target, "select id from articles where name = 'wrong'"))
    check_equal(wrong & one, set(), "rows of partition 1 that are still wrong")
    check_equal(len(wrong) > 0, True, "rows of the other partitions are as they were")
    touched = set(target_ids(target, "select a.id from articles a join stands s using (id) where a.xmin::text <> s.written"))
    check(touched <= damaged & one, "rows were written that were as they should be: %s" % sorted(touched - damaged)[:5])

    counts = replay(migration)
    check_equal(counts["keys"], ROWS, "keys of all partitions")
    same_rows(source, EXPECTED, target, ACTUAL)
    check_equal(offsets(migration), before, "offsets after three replays")
    migration.check_ledger()


def target_ids(database, query):
    return [row[0] for row in database.sql(query)]


def a_good_target_is_not_written(parts):
    source, target, migration = finished(parts)
    state = "select sum(hashtextextended(concat_ws(' ', ctid, xmin, xmax, a), 0)) from articles a"
    before = target.value(state)
    counts = replay(migration)
    check_equal(
        (counts["keys"], counts["applied"], counts["unchanged"], counts["refused"]), (ROWS, 0, ROWS, 0), "counts"
    )
    check_equal(target.value(state), before, "the rows' places, transactions and locks")
    migration.check_ledger()


def refused_rows_arrive_when_the_target_takes_them(parts):
    source, target, migration = migration_of(
        parts, target_sql=TARGET + "; alter table articles add constraint cheap check (id % 100 <> 0)"
    )
    migration.finish(code=1)
    refused = ROWS // 100
    check_equal(target.value("select count(*) from rowhaul.rejects"), str(refused), "rejects")

    # Still refused: the reject stays, and stays one.
    counts = replay(migration, "--failed", code=1)
    check_equal((counts["keys"], counts["refused"]), (refused, refused), "keys and refused")
    check_equal(
        target.sql("select count(*), min(tries), max(tries) from rowhaul.rejects"), [(str(refused), "2", "2")], "rejects and tries"
    )
    migration.check_ledger()

    target.sql("alter table articles drop constraint cheap")
    counts = replay(migration, "--failed", "--partition", "2")
    left = int(target.value("select count(*) from rowhaul.rejects"))
    check_equal(left, refused - counts["applied"], "rejects left")
    check(0 < counts["applied"] < refused, "partition 2 must have some of them, not all")
    migration.check_ledger()

    replay(migration, "--failed")
    check_equal(target.sql("select * from rowhaul.rejects"), [], "rejects left")
    same_rows(source, EXPECTED, target, ACTUAL)
    migration.check_ledger()

    # The other way round: rows that were applied are refused now, and the books say so.
    target.sql("delete from articles where id <= 500; alter table articles add constraint high check (id > 500)")
    counts = replay(migration, code=1)
    check_equal((counts["refused"], counts["unchanged"]), (500, ROWS - 500), "refused and unchanged")
    migration.check_ledger()


def it_is_safe_beside_workers_that_die(parts):
    # Small batches: many turns of a replay's keys, too (their memory is a multiple of a batch's).
    source, target, migration = migration_of(
        parts,
        backfill={"rate": 1500, "page": 300},
        apply={"batch_rows": 200, "batch_bytes": "4KiB"},
    )
    migration.watch({"public.articles": "id"})
    run = migration.start("rowhaul", "run")
    migration.wait_accepted(3000, process=run)
    replay(migration, "--partition", "0")

    asked = migration.start(
        "rowhaul", "replay", "--table", "items", "--format", "json",
    )
    run.wait_event("replay_begun", 30)
    for number in (1, 2):
        run.kill_child("rowhaul-worker", "worker-%d" % number)
    check_equal(asked.wait(90), 0, "exit code of a replay whose workers were killed")
    check_equal(run.wait(90), 0, "exit code of rowhaul run")
    same_rows(source, EXPECTED, target, ACTUAL)
    migration.check_ledger()
    migration.check_offsets_applied_once()
    migration.check_written_once()


def workers_that_come_meanwhile_end_it(parts):
    source, target, migration = migration_of(
        parts,
        backfill={"rate": 3000, "page": 300},
        apply={"batch_rows": 200, "batch_bytes": "4KiB"},
    )
    run = migration.start("rowhaul", "run")
    migration.wait_accepted(3000, process=run)
    check_equal(run.terminate(), 143, "exit code of rowhaul run")
    # Nobody is there, so the replay has a worker of its own; meanwhile a run takes its partition.
    asked = migration.start(
        "rowhaul", "replay", "--table", "items", environment={"ROWHAUL_FAILPOINTS": "after_replayed_batch=sleep:6000"}
    )
    asked.wait_event("child_started", 30)
    run = migration.start("rowhaul", "run")
    check_equal(asked.wait(90), 0, "exit code of the replay")
    check("WORKER_FENCED" in asked.stderr, "the worker of the replay was not fenced:\n" + asked.stderr)
    check_equal(run.wait(90), 0, "exit code of rowhaul run")
    same_rows(source, EXPECTED, target, ACTUAL)
    migration.check_ledger()


def a_killed_replay_is_begun_anew(parts):
    source, target, migration = finished(parts, apply={"batch_rows": 500})
    target.sql(DAMAGE)
    # The worker that `replay` itself starts, as nobody is alive.
    cut = migration.start(
        "rowhaul", "replay", "--table", "items", "--partition", "0",
        environment={"ROWHAUL_FAILPOINTS": "after_replayed_batch=crash@3"},
    )
    cut.wait(60)
    check(cut.wait(0) != 0, "a replay whose worker was killed must not report success")
    check_equal(target.value("select state from rowhaul.requests"), "running", "state of the request")
    migration.json_lines("replay", "--table", "items")
    check_equal(
        target.sql("select state, count(*) from rowhaul.requests group by 1"), [("done", str(PARTITIONS + 1))], "requests"
    )
    same_rows(source, EXPECTED, target, ACTUAL)
    migration.check_ledger()


def the_newest_image_wins_whatever_the_log_holds_before_it(parts):
    source, target, migration = migration_of(parts)
    # The next producer begins at the first row again, and sends newer images of what was sent before.
    first = migration.start("rowhaul-producer", environment={"ROWHAUL_FAILPOINTS": "before_checkpoint=crash"})
    first.wait(30)
    source.sql("update items set code = 'new' || id, price = null where id <= 1000")
    migration.finish()
    same_rows(source, EXPECTED, target, ACTUAL)
    twice = KafkaAdmin(parts.kafka_bootstrap).end_offsets(migration.topic("items"), PARTITIONS)
    check(sum(twice) > ROWS + 1000, "the log must hold many keys twice: %s" % twice)

    target.sql("update articles set name = 'wrong' where id <= 1000")
    target.sql(
        "create table seen (name text); create function note() returns trigger language plpgsql as"
        " $$ begin insert into seen values (new.name); return null; end $$;"
        " create trigger note after insert or update on articles for each row execute function note()"
    )
    counts = replay(migration)
    check_equal((counts["keys"], counts["applied"]), (ROWS, 1000), "keys and applied")
    same_rows(source, EXPECTED, target, ACTUAL)
    check_equal(target.value("select count(*) from seen where name not like 'new%'"), "0", "older images written")
    migration.check_ledger()


def it_begins_where_it_is_told(parts):
    source, target, migration = migration_of(
        parts,
        topics={"partitions": 1},
        backfill={"rate": 3000, "page": 500},
        apply={"batch_rows": 500, "mark_interval": "200ms"},
    )
    migration.finish()
    marks = [int(m) for m, in migration.ledger("select next_offset from rowhaul.offset_marks where run = $run order by 1")]
    check(len(marks) >= 3, "a run of some seconds must have left marks: %s" % marks)
    middle = marks[len(marks) // 2] + 100
    behind = {
        line["key"][0]
        for line in migration.json_lines("cat", "items", "--partition", "0", "--from", str(middle))
        if line["kind"] == "ROW"
    }
    target.sql("update articles set name = 'wrong'")
    counts = replay(migration, "--partition", "0", "--from-offset", str(middle))
    check_equal((counts["keys"], counts["applied"]), (len(behind), len(behind)), "keys and applied")
    check(counts["messages"] < ROWS - marks[0], "it must begin at a mark, not at the log's beginning: %s" % counts)
    check_equal(
        set(target_ids(target, "select id from articles where name <> 'wrong'")), behind, "rows that were mended"
    )

    # By time: what was sent in the last half, or nothing at all.
    between = migration.ledger(
        "select marked_at from rowhaul.offset_marks where run = $run and next_offset = %d" % marks[len(marks) // 2]
    )[0][0]
    counts = replay(migration, "--from-time", between)
    check(0 < counts["keys"] < ROWS, "keys from the middle on: %s" % counts)
    check_equal(replay(migration, "--from-time", "2999-01-01")["keys"], 0, "keys from the future on")

    # What retention has taken can be named, and the rest replayed.
    KafkaAdmin(parts.kafka_bootstrap).delete_records(migration.topic("items"), 0, marks[1])
    lines = migration.json_lines("replay", "--table", "items", code=13)
    check_equal([line["state"] for line in lines], ["failed"], "state of a replay from offsets that are gone")
    check("begins at offset %d" % marks[1] in lines[0]["message"], lines[0]["message"])
    counts = replay(migration, "--partition", "0", "--from-offset", str(marks[1]))
    check_equal(counts["refused"], 0, "refused")


def mistakes_are_told(parts):
    _, target, migration = finished(parts)

    def refused(code, text, *arguments):
        done = migration.call("replay", *arguments)
        check_equal(done.wait(0), code, "exit code of replay " + " ".join(arguments))
        check(text in done.stderr, "%r is not in %s" % (text, done.stderr))

    refused(2, "no table was given")
    refused(2, "the mapping has no table", "--table", "itmes")
    refused(2, 'option \\"--partition\\" must be a whole number up to 2', "--table", "items", "--partition", "3")
    refused(2, "needs a partition", "--table", "items", "--from-offset", "5")
    refused(2, "exclude each other", "--table", "items", "--failed", "--from-offset", "5")
    refused(2, "must be a time", "--table", "items", "--from-time", "yesterdayish")
    check_equal(target.sql("select * from rowhaul.requests"), [], "requests after mistakes")
    counts = replay(migration, "--partition", "0", "--from-offset", "99999999")
    check_equal(counts["keys"], 0, "keys behind the end")


main(
    damage_is_mended_and_nothing_else_is_touched,
    a_good_target_is_not_written,
    refused_rows_arrive_when_the_target_takes_them,
    it_is_safe_beside_workers_that_die,
    workers_that_come_meanwhile_end_it,
    a_killed_replay_is_begun_anew,
    the_newest_image_wins_whatever_the_log_holds_before_it,
    it_begins_where_it_is_told,
    mistakes_are_told,
)
