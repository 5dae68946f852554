"""A schema that nothing here was written for: a hospital's 47 tables become 43 others, and what may not arrive does not.

Composite keys, enums, domains, partitions by range and list, tables without a key or with only a unique index, quoted names,
cycles and self-references, generated and identity columns, exclusion and deferrable constraints, triggers, a view, empty tables
and rows of a megabyte. What is expected is said in SQL (expected.sql), without rowhaul's help.
"""

import os
import signal
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration

# The columns that are compared, where it is not all of them: a trigger writes the others.
COLUMNS = {"core.visits": "id, person_id, employee_id, at, state, referral_id, reminder"}

# Tables of which some rows are refused, for themselves or for want of a parent: what is read of them, and what arrives.
REFUSED = {
    "department": ("care.department", "core.departments"),
    "patients": ("care.patient where not deceased", "core.persons"),
    "patient_address": ("care.patient_address", "core.addresses"),
    "patient_insurance": ("care.patient_insurance", "core.insurances"),
    "ward": ("care.ward", "core.wards"),
    "bed": ("care.bed", "core.beds"),
    "admission": ("care.admission", "core.stays"),
    "admission_note": ("care.admission_note", "core.stay_notes"),
    "vital_sign": ("care.vital_sign", "core.vitals"),
    "lab-order": ('"Lab"."Order"', "lab.orders"),
    "Result": ('"Lab"."Result"', "lab.results"),
    "prescription": ("care.prescription", "core.prescriptions"),
    "prescription_item": ("care.prescription_item", "core.prescription_items"),
    "patient_diagnosis": ("care.patient_diagnosis", "core.person_diagnoses"),
    "appointment": ("care.appointment", "core.visits"),
    "appointment_history": ("care.appointment_history", "core.visit_history"),
    "invoice": ("billing.invoice where not cancelled", "finance.invoices"),
    "invoice_line": ("billing.invoice_line", "finance.invoice_lines"),
    "payment": ("billing.payment", "finance.payments"),
}

# Constraints of cycles and self-references that do not hold without the refused rows.
NOT_VALID = ["employees_site_id_dept_no_fkey", "persons_mother_id_fkey"]


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def hospital(parts):
    source, target = parts.source.database(), parts.target.database()
    source.script(os.path.join(FOLDER, "source.sql"))
    source.script(os.path.join(FOLDER, "expected.sql"))
    target.script(os.path.join(FOLDER, "target.sql"))
    return Migration(
        parts,
        source,
        target,
        read("tables.yaml"),
        name="hospital",
        topics={"small_rows": 50000},  # an operator's default, not a test's
        vars={"origin": "old-his"},
    )


def in_order(query):
    return 'select * from (%s) q order by q::text collate "C"' % query


def check_rows(source, target):
    """Every table of the target, row by row. Returns the number of rows."""
    count = 0
    views = source.sql(
        "select table_name from information_schema.views"
        " where table_schema = 'expected' and table_name like '%.%'"
    )
    check_equal(len(views), 43, "tables to be compared")
    for (name,) in views:
        count += same_rows(
            source,
            in_order('select * from expected."%s"' % name.replace('"', '""')),
            target,
            in_order("select %s from %s" % (COLUMNS.get(name, "*"), name)),
        )
    return count


def refused(source):
    """The number of rows of each table that may not arrive."""
    return {
        table: int(
            source.value(
                'select (select count(*) from %s) - (select count(*) from expected."%s")' % (read, arrives)
            )
        )
        for table, (read, arrives) in REFUSED.items()
    }


def check_rejects(migration, expected):
    rejects = migration.ledger(
        "select table_id, kind, count(*) from rowhaul.rejects where run = $run group by 1, 2"
    )
    check_equal({(table, kind): int(n) for table, kind, n in rejects},
                {(table, "dead"): n for table, n in expected.items()}, "rejects")  # fmt: skip


def check_verdicts(migration, expected):
    """verify says the same of some: what was refused is missing, and nothing else is wrong."""
    for table in ("country", "patients", "vital_sign", "invoice_line", "ledger_entry"):
        missing = expected.get(table, 0)
        report = migration.json("verify", "--table", table, code=5 if missing else 0)
        for output in report["tables"]:
            found = output["missing"], output["extra"], output["different"]
            check_equal(found, (missing, 0, 0), "missing, extra and different rows of " + output["target"])


def check_constraints(target, before, done):
    after = target.sql(CONSTRAINTS)
    not_valid = [(table, name, rule + " NOT VALID") for table, name, rule in before if name in NOT_VALID]
    check_equal(after, [row for row in before if row[1] not in NOT_VALID] + not_valid, "constraints")
    for table, name, _ in not_valid:
        check("%s, %s: " % (table, name) in done.stdout, "%s is not named:\n%s" % (name, done.stdout[-500:]))


CONSTRAINTS = """
    select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint
     where connamespace <> 'rowhaul'::regnamespace and connamespace::regnamespace::text <> 'pg_catalog'
     order by not convalidated, 1, 2"""


def killed_and_interrupted_it_arrives_as_far_as_it_may(parts):
    migration = hospital(parts)
    source, target = migration.source, migration.target
    check_equal(migration.call("validate").wait(0), 1, "exit code of validate, which has warnings")
    target.sql("create schema rowhaul")
    constraints = target.sql(CONSTRAINTS)

    killed = migration.start("rowhaul", "run")
    migration.wait_accepted(50000, process=killed)
    killed.kill9()
    interrupted = migration.start("rowhaul", "run")
    migration.wait_accepted(120000, process=interrupted)
    interrupted.signal(signal.SIGINT)
    check_equal(interrupted.wait(30), 130, "exit code of an interrupted run")
    done = migration.finish(code=1, timeout=240)
    migration.check_ledger()

    check(check_rows(source, target) > 300000, "there are rows")
    expected = refused(source)
    check_rejects(migration, expected)
    check_verdicts(migration, expected)
    check_constraints(target, constraints, done)
    seen = target.value("select count(*) from core.changes")
    check_equal(seen, source.value("select count(*) from care.drug"), "rows that the AFTER trigger saw")
    touched = "select count(*) filter (where updated_at is null) from core.visits"
    check_equal(target.value(touched), "0", "visits that the trigger to be fired missed")
    check_equal(
        target.value("select count(*) from finance.payments where audited"),
        "0",
        "payments that the trigger to be off touched",
    )

    check_equal(migration.call("cleanup", "--yes").wait(0), 1, "exit code of cleanup, with constraints that do not hold")
    again = migration.call("run")
    check_equal(again.wait(0), 4, "exit code of a run onto what an earlier one left")
    check_equal(len(again.events(code="RH-4106")), 1, "events about tables that are not empty")


main(killed_and_interrupted_it_arrives_as_far_as_it_may)
