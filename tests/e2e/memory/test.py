"""Memory depends on settings, not on how many rows there are."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main
from migration import Migration

FEW, MANY = 40000, 400000
LIMIT_KIB = 256 * 1024
GROWTH_MAX = 1.5
# Queues and batches so small that the few rows fill them too; what still grows would grow for ever.
SMALL = {
    "topics": {"max_message_bytes": "256KiB"},  # the queues hold at least one message
    "backfill": {"page": 1000, "queue_bytes": "1MiB"},
    "apply": {"batch_rows": 4000, "batch_bytes": "1MiB", "fetch_bytes": "1MiB"},
}
TABLE = "create table points (id bigint primary key, x int not null, y int not null, name text)"


def read_status(pid):
    """The program's name and the most memory it has had so far, in KiB; None when it has ended."""
    try:
        with open("/proc/%d/cmdline" % pid, encoding="utf-8") as file:
            program = os.path.basename(file.read().split("\0")[0])
        with open("/proc/%d/status" % pid, encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        return program, int(fields["VmHWM"].split()[0])
    except (OSError, KeyError):
        return None


def peaks(process, *programs):
    """Waits for a program's end and returns the most memory of these programs, among it and its children."""
    highest = {}
    while process.is_running():
        for pid in (process.pid, *process.children()):
            program, kib = read_status(pid) or ("", 0)
            highest[program] = max(highest.get(program, 0), kib)
        time.sleep(0.02)
    check_equal(process.wait(0), 0, "exit code of " + process.label)
    return {program: highest.get(program, 0) for program in programs}


def is_sanitized():
    with open(os.path.join(os.environ["ROWHAUL_BIN"], "rowhaul-worker"), "rb") as file:
        return b"__asan_init" in file.read()


def prepare(parts, rows, **sections):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLE)
    source.sql(
        "insert into points select i, i %% 1000, i / 1000, rpad('p' || i, 100, '.')"
        " from generate_series(1, %d) i" % rows
    )
    source.sql("analyze points")
    target.sql(TABLE)
    return Migration(
        parts, source, target, "- {from: public.points, to: [{table: public.points}]}", **sections
    )


def copy_together(parts, rows):
    """As `rowhaul run` does it."""
    migration = prepare(parts, rows)
    found = peaks(migration.start("rowhaul", "run"), "rowhaul-producer", "rowhaul-worker")
    return report(migration, rows, found)


def copy_in_turn(parts, rows):
    """The worker begins when all rows are in Kafka: it always has as much before it as it can take."""
    migration = prepare(parts, rows, **SMALL)
    found = peaks(migration.start("rowhaul-producer"), "rowhaul-producer")
    worker = migration.start("rowhaul-worker")
    migration.wait_accepted(rows, process=worker)
    found["rowhaul-worker"] = (read_status(worker.pid) or ("", 0))[1]
    check_equal(worker.terminate(), 0, "exit code of the worker")
    return report(migration, rows, found)


def report(migration, rows, found):
    check_equal(migration.target.value("select count(*) from points"), str(rows), "rows that arrived")
    print("%d rows: %s" % (rows, ", ".join("%s %d KiB" % item for item in sorted(found.items()))))
    return found


def check_limit(found):
    for program, kib in found.items():
        check(0 < kib < LIMIT_KIB, "%s took %d KiB" % (program, kib))


def the_default_settings_keep_each_program_below_256_mib(parts):
    found = copy_together(parts, MANY)
    if not is_sanitized():  # its shadow memory and quarantine are not what is measured
        check_limit(found)


def ten_times_the_rows_take_the_same_memory(parts):
    few, many = copy_in_turn(parts, FEW), copy_in_turn(parts, MANY)
    if is_sanitized():
        return
    check_limit(few)
    for program, kib in many.items():
        check(
            kib <= few[program] * GROWTH_MAX,
            "%s took %d KiB with %d rows and %d KiB with %d" % (program, kib, MANY, few[program], FEW),
        )


main(the_default_settings_keep_each_program_below_256_mib, ten_times_the_rows_take_the_same_memory)
