"""Large tables are read in several key ranges at the same time, whatever their keys, and go on with them after a kill."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration

ROWS = 12000
FILTERED_ROWS = 100
RANGE_ROWS = 1000
RANGES = ROWS // RANGE_ROWS

# In the collation of words and pairs a < A < ä < b; by bytes it is another order.
TABLES = """
create table words (word text collate "und-x-icu" primary key, n int not null);
create table pairs (tenant text collate "und-x-icu", nr numeric(12,2), n int not null, primary key (tenant, nr));
create table ids (id uuid primary key, n int not null);
create table numbers (n bigint primary key);
"""
FILL = """
insert into words select (array['a','A','ä','-a','B b','b','Z','ß','#',''])[1 + n %% 10] || (n / 10), n
  from generate_series(1, %(rows)d) n;
insert into pairs select (array['ab','Ab','áb','o''k','back\\slash'])[1 + n %% 5], (n - 6000) / 4.0, n
  from generate_series(1, %(rows)d) n;
insert into ids select md5(n::text)::uuid, n from generate_series(1, %(rows)d) n;
insert into numbers select n from generate_series(1, %(rows)d) n;
analyze;
""" % {"rows": ROWS}
# All rows of `numbers` that are wanted lie in its first range.
MAPPING = """
  - {from: public.words, to: [{table: public.words}]}
  - {from: public.pairs, to: [{table: public.pairs}]}
  - {from: public.ids, to: [{table: public.ids}]}
  - {from: public.numbers, where: {n: {lte: %d}}, to: [{table: public.numbers}]}
""" % FILTERED_ROWS
NAMES = ("words", "pairs", "ids", "numbers")


def large_tables_are_read_in_ranges_and_each_row_arrives_once(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLES)
    source.sql(FILL)
    target.sql(TABLES)
    migration = Migration(
        parts,
        source,
        target,
        MAPPING,
        backfill={"rate": 7000, "page": 150, "range_rows": RANGE_ROWS, "checkpoint": "100ms"},
    )
    migration.watch({"public." + name: "n" for name in NAMES})
    run = migration.start("rowhaul", "run")
    for rows in (4000, 20000):
        migration.wait_accepted(rows, process=run)
        run.kill_child("rowhaul-producer")
        time.sleep(1)
    check_equal(run.wait(90), 0, "exit code of rowhaul run")

    for name in NAMES:
        divided = run.events("table_divided", table=name)
        check_equal([event["ranges"] for event in divided], [RANGES], "divisions of %s and their ranges" % name)
        at_work = {event["range"] for event in run.events("page_done", table=name)}
        check(name == "numbers" or len(at_work) > 1, "%s was read in the ranges %s only" % (name, at_work))
    expected = {name: ROWS for name in NAMES} | {"numbers": FILTERED_ROWS}
    for name, rows in expected.items():
        query = "select * from %s where n <= %d order by n" % (name, rows)
        check_equal(same_rows(source, query, target, query), rows, "rows of %s compared" % name)
    # What is shown is the key up to which all was read: the last one.
    check_equal(
        migration.ledger(
            "select table_id, rows_read, rows_estimate, last_key from rowhaul.progress"
            " where run = $run and table_id in ('ids', 'words') order by 1"
        ),
        [
            (name, str(ROWS), str(ROWS), "{%s}" % source.value("select %s from %s order by 1 desc limit 1" % (key, name)))
            for name, key in (("ids", "id"), ("words", "word"))
        ],
        "progress of two tables",
    )
    migration.check_ledger(to_the_end=False)
    migration.check_written_once()
    migration.check_offsets_applied_once()


main(large_tables_are_read_in_ranges_and_each_row_arrives_once)
