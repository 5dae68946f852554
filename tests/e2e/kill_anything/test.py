"""Whatever is killed while a run is on its way, and in whatever order: each row is written just once."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows, wait_until
from migration import Migration

CUSTOMERS = 20000
ORDERS = 40000
WORKERS = 3
AWAY_S = 1  # how long a killed server stays away

TABLES = """
create table customers (id int primary key, name text not null, profile jsonb);
create table orders (
    id bigint primary key, customer_id int not null references customers, note text, items jsonb not null)"""

FILL = """
insert into customers
select i, 'Клиент № ' || i || ' «Ёлка»',
       case when i %% 5 <> 0 then jsonb_build_object('город', 'Москва', 'n', i) end
  from generate_series(1, %d) i;
insert into orders
select i, 1 + i * 7919 %% %d, case when i %% 4 <> 0 then repeat('да/нет ', i %% 9) || E'\\n\\t\\\\' end,
       jsonb_build_array(i, null, jsonb_build_object('имя', 'Товар ' || i, 'цена', i / 100.0))
  from generate_series(1, %d) i""" % (CUSTOMERS, CUSTOMERS, ORDERS)

MAPPING = """
  - {from: public.customers, to: [{table: public.customers}]}
  - {from: public.orders, to: [{table: public.orders}]}
"""


def every_part_is_killed_and_no_row_is_written_twice(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(TABLES)
    source.sql(FILL)
    target.sql(TABLES)
    migration = Migration(
        parts,
        source,
        target,
        MAPPING,
        run={"workers": WORKERS},
        backfill={"rate": 4000, "page": 400},
        apply={"batch_rows": 1000, "retry_delay": "500ms"},
    )
    migration.watch({"public.customers": "id", "public.orders": "id"})
    run = migration.start("rowhaul", "run")

    migration.wait_accepted(3000, process=run)
    run.kill_child("rowhaul-producer")

    migration.wait_accepted(6000, process=run)
    for number in range(1, WORKERS + 1):
        run.kill_child("rowhaul-worker", "worker-%d" % number)
        time.sleep(0.7)

    migration.wait_accepted(14000, process=run)
    parts.kill("kafka")
    time.sleep(AWAY_S)
    parts.restart("kafka")

    run.wait_event("page_done", 60, table="orders")  # the producer has only begun with the second level
    run.kill9()
    wait_until(lambda: not run.children(), 5, "the children of a killed run to follow it")
    run = migration.start("rowhaul", "run")

    migration.wait_accepted(CUSTOMERS + 10000, process=run)
    parts.kill("target")
    time.sleep(AWAY_S)
    parts.restart("target")
    check_equal(run.wait(90), 0, "exit code of rowhaul run")
    check_equal(run.children(), [], "processes that rowhaul run left behind")

    generation = int(target.value("select max(generation) from rowhaul.offsets"))
    check(generation >= 3, "the faults came too late: producers of %d generations" % generation)
    for table, count in (("customers", CUSTOMERS), ("orders", ORDERS)):
        query = "select * from %s order by id" % table
        check_equal(same_rows(source, query, target, query), count, "rows of %s compared" % table)
    migration.check_ledger(to_the_end=False)
    check_equal(migration.ledger("select * from rowhaul.rejects where run = $run"), [], "rejects")
    migration.check_written_once()
    migration.check_offsets_applied_once()


main(every_part_is_killed_and_no_row_is_written_twice)
