"""The crm example as its README tells it: ten tables, JSON and arrays, beside two tables that stay."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import CHECKOUT, check, check_equal, main, same_rows
from migration import Migration

EXAMPLE = os.path.join(CHECKOUT, "sql", "examples", "crm")
CONFIGURATION = os.path.join(CHECKOUT, "deploy", "examples", "crm.yaml")

COUNTS = {
    "companies": 1,
    "clients": 1304,
    "services": 63,
    "staff": 12,
    "staff_schedules": 44,
    "bookings": 45,
    "dialog_contexts": 21,
}
KEPT = ("whatsapp_auth", "whatsapp_keys")
MODES = ("counts", "checksum", "rows")

SPOTS = (
    "select ai_context from clients where id = 59847",
    "select favorite_staff_ids, visit_history from clients where id = 60006",
    "select declensions from services where id = 15031251",
    "select name, declensions from staff where id in (2895125, 3164669) order by id",
)


class Crm(Migration):
    """The example's own file, with topics of the test's own."""

    def __init__(self, parts, source, target):
        super().__init__(parts, source, target, "[]", name="crm")
        with open(CONFIGURATION, encoding="utf-8") as file:
            text = file.read()
        check_equal(text.count("\ntopics:\n"), 1, "places for the prefix in " + CONFIGURATION)
        text = text.replace("\ntopics:\n", "\ntopics:\n  prefix: %s\n" % self.prefix)
        self.file = parts.write("crm.yaml", text)


def load(parts):
    source, target = parts.source.database(), parts.target.database()
    source.script(os.path.join(EXAMPLE, "source.sql"))
    source.script(os.path.join(EXAMPLE, "generate.sql"))
    target.script(os.path.join(EXAMPLE, "target.sql"))
    return Crm(parts, source, target)


def kept_rows(target):
    return [
        target.sql("select count(*), md5(string_agg(t::text, E'\\n' order by t::text)) from %s t" % table)
        for table in KEPT
    ]


def check_arrived(migration):
    source, target = migration.source, migration.target
    for table, count in COUNTS.items():
        query = "select * from %s order by id" % table
        check_equal(same_rows(source, query, target, query), count, "rows of %s compared" % table)
    for query in SPOTS:
        rows = source.sql(query)
        check(rows and None not in rows[0], "nothing to compare: " + query)
        check_equal(target.sql(query), rows, query)
    for table in ("messages", "actions", "company_sync_status"):
        check_equal(target.value("select count(*) from " + table), "0", "rows of " + table)


def check_verified(migration):
    for mode in MODES:
        verdict = migration.json("verify", "--mode", mode)
        check_equal(verdict["verdict"], "equal", "verdict of --mode " + mode)
        counts = {
            table["id"]: (int(table["source_rows"]), int(table["target_rows"])) for table in verdict["tables"]
        }
        check_equal(
            counts, {table: (count, count) for table, count in COUNTS.items()}, "rows counted by " + mode
        )
    check_equal(migration.json("verify")["verdict"], "equal", "verdict of verify as it is by default")


def differences(migration, *options):
    verdict = migration.json("verify", *options, code=5)
    check_equal(verdict["verdict"], "different", "verdict")
    return sorted(
        (
            table["id"],
            difference["kind"],
            (difference.get("source_key") or difference.get("target_key"))[0],
            tuple(sorted(column["name"] for column in difference.get("columns") or [])),
        )
        for table in verdict["tables"]
        for difference in table["differences"]
    )


def ten_tables_arrive_and_whatsapp_stays_as_it_is(parts):
    migration = load(parts)
    target = migration.target
    before = kept_rows(target)

    migration.finish()

    check_equal(kept_rows(target), before, "count and md5 of " + " and ".join(KEPT))
    check_arrived(migration)
    migration.check_ledger()
    check_verified(migration)
    # On a finished run this only prints the result again and verifies.
    check_equal(migration.call("run", "--until", "verified").wait(0), 0, "exit code of --until verified")

    target.script(os.path.join(EXAMPLE, "drop-business-tables.sql"))
    check_equal(kept_rows(target), before, "count and md5 after the business tables were dropped")


def verify_finds_what_was_changed_behind_its_back(parts):
    migration = load(parts)
    target = migration.target
    migration.finish()
    row = target.value("select to_jsonb(b) from bookings b order by id limit 1")
    gone = str(json.loads(row)["id"])
    target.sql(
        "update clients"
        " set ai_context = jsonb_set(ai_context, '{e2e}', '1'), notes = coalesce(notes, '') || ' '"
        " where id = 59847"
    )
    target.sql("delete from bookings where id = %s" % gone)
    target.sql(
        "insert into clients (id, external_id, company_id, yclients_id, name)"
        " select 7, gen_random_uuid(), company_id, 7, 'Никто' from companies"
    )
    expected = sorted(
        [
            ("clients", "different", "59847", ("ai_context", "notes")),
            ("clients", "extra", "7", ()),
            ("bookings", "missing", gone, ()),
        ]
    )
    for options in ((), ("--mode", "rows")):
        check_equal(differences(migration, *options), expected, "differences of verify " + " ".join(options))
    counts = migration.json("verify", "--mode", "counts", code=5)
    different = sorted(table["id"] for table in counts["tables"] if table["verdict"] == "different")
    check_equal(different, ["bookings", "clients"], "tables that verify --mode counts calls different")


def cleanup_leaves_the_rows_and_nothing_of_rowhaul(parts):
    migration = load(parts)
    target = migration.target
    migration.finish()
    check(parts.kafka.topics(migration.prefix), "the run has no topics")
    check(parts.kafka.groups(migration.prefix), "the run has no consumer group")

    check_equal(migration.call("cleanup", "--yes").wait(0), 0, "exit code of rowhaul cleanup")

    check_equal(parts.kafka.topics(migration.prefix), {}, "topics")
    check_equal(parts.kafka.groups(migration.prefix), [], "consumer groups")
    check_equal(target.value("select count(*) from pg_namespace where nspname = 'rowhaul'"), "0", "schemas")
    check_arrived(migration)
    check_equal(migration.json("verify")["verdict"], "equal", "verdict after cleanup")


main(
    ten_tables_arrive_and_whatsapp_stays_as_it_is,
    verify_finds_what_was_changed_behind_its_back,
    cleanup_leaves_the_rows_and_nothing_of_rowhaul,
)
