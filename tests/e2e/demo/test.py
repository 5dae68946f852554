"""The demo does what it says, on a pipe, at a size that takes seconds.

It runs with the tests' programs and servers, and under a name of its own, beside a demo that somebody
left for a look. Processes are killed in it, so what it shows is also a small fault test.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from e2e import CHECKOUT, check, check_equal, main, run  # noqa: E402

DEMO = os.path.join(CHECKOUT, "deploy", "demo")
TABLES = "companies clients services staff staff_schedules bookings dialog_contexts".split()
# clients, then the tables that the generator makes in proportion.
ROWS = {
    1: {"companies": 1, "clients": 1304, "services": 63, "staff": 12, "staff_schedules": 44, "bookings": 45,
        "dialog_contexts": 21},
    2: {"companies": 1, "clients": 3000, "services": 63, "staff": 12, "staff_schedules": 44, "bookings": 104,
        "dialog_contexts": 48},
}


def demo(name, *arguments):
    return run(DEMO, *arguments, timeout=110, environment={"ROWHAUL_DEMO_NAME": name})


def acts(text):
    """The text of each act, by its number."""
    parts = re.split(r"^== (?:Act (\d)|[A-Z]).*$", text, flags=re.MULTILINE)
    return {int(number): body for number, body in zip(parts[1::2], parts[2::2]) if number}


def results(act):
    """{table: (source rows, target rows, verdict)} of the table of results."""
    number = r"([\d,]+)"
    lines = re.findall(r"^ +(\w+) +%s +%s +[\d.]+ +(?:-|%s)  (\w+)$" % (number, number, number), act, re.MULTILINE)
    return {
        table: (int(source.replace(",", "")), int(target.replace(",", "")), verdict)
        for table, source, target, _, verdict in lines
    }


def databases(server, name):
    return server.sql("select 1 from pg_database where datname like 'rowhaul\\_%s\\_%%'" % name)


def the_demo_moves_everything_while_it_kills_and_leaves_nothing_when_removed(parts):
    name = parts.unique("demo")
    done = demo(name, "--clients", "3000", "--workers", "2")
    try:
        check_equal(done.wait(0), 0, "exit code")
        text = done.stdout
        check("\033" not in text, "the demo controls a terminal that is none")
        both = acts(text)
        check_equal(sorted(both), [1, 2], "acts")
        for number, rows in ROWS.items():
            expected = {table: (rows[table], rows[table], "equal") for table in TABLES}
            check_equal(results(both[number]), expected, "results of act %d" % number)
            check("the accounting balances" in both[number], "act %d shows no accounting" % number)
            check("whatsapp_keys, which no mapping names: 1,127 rows, byte for byte as before" in both[number],
                  "act %d says nothing about the target's own tables" % number)
        for child in (r"producer", r"worker-\d"):
            check(re.search(r"kill -9 %s \(process \d+\)\n.*has started %s again" % (child, child), both[2]),
                  "act 2 kills no %s" % child)
        check_equal(done.stderr, "", "stderr")
    finally:
        removed = demo(name, "--remove")
    check_equal(removed.wait(0), 0, "exit code of --remove")
    for server in (parts.source, parts.target):
        database = server.database()
        check_equal(databases(database, name), [], "databases of the demo")
    check(not os.path.exists(os.path.join(CHECKOUT, ".local", name)), "the demo's files are still there")
    check("nothing is left" in demo(name, "--remove").stdout, "a second --remove finds something")


main(the_demo_moves_everything_while_it_kills_and_leaves_nothing_when_removed)
