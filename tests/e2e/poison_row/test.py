"""Single rows that cannot arrive: exactly they are rejected, with their reason, and nobody claims equality."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration

BAD_AMOUNT, BAD_STATUS, ORPHAN = 7777, 123, 45

SOURCE = """
create table payments (id int primary key, amount numeric(10, 2) not null);
insert into payments select i, case when i = %d then -1 else i end from generate_series(1, 10000) i;
create table tickets (id int primary key, status text);
insert into tickets
select i, case when i = %d then 'frozen' when i %% 2 = 0 then 'o' else 'c' end from generate_series(1, 500) i;
create table remarks (id int primary key, ticket_id int not null, text text);
insert into remarks select i, case when i = %d then 9999 else i end, 'r' || i from generate_series(1, 300) i
""" % (BAD_AMOUNT, BAD_STATUS, ORPHAN)

# The orphan's constraint is the target's alone; so a remark on the rejected ticket is an orphan too.
TARGET = """
create table payments (id int primary key, amount numeric(10, 2) not null,
    constraint amount_is_not_negative check (amount >= 0));
create table tickets (id int primary key, status text not null);
create table remarks (id int primary key,
    ticket_id int not null constraint remark_has_ticket references tickets, text text)"""

MAPPING = """
  - {from: public.payments, to: [{table: public.payments}]}
  - from: public.tickets
    to:
      - table: public.tickets
        columns:
          status: {map: {from: status, values: {o: open, c: closed}, otherwise: reject}}
  - {from: public.remarks, to: [{table: public.remarks}]}
"""

REJECTED = {("payments", BAD_AMOUNT), ("tickets", BAD_STATUS), ("remarks", ORPHAN), ("remarks", BAD_STATUS)}


def rejects_by_row(migration):
    return {
        (reject["table"], int(reject["source_key"][0])): reject
        for reject in migration.json_lines("rejects", "list")
    }


def only_the_rows_that_cannot_arrive_are_rejected(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql(SOURCE)
    target.sql(TARGET)
    migration = Migration(parts, source, target, MAPPING, apply={"retry_delay": "200ms"})
    migration.watch({"public.payments": "id", "public.tickets": "id", "public.remarks": "id"})

    migration.finish(code=1)

    check_others_arrived(source, target)
    migration.check_ledger()
    migration.check_written_once()
    check_rejects(migration)
    check_verify(migration)


def check_others_arrived(source, target):
    query = "select * from payments where id <> %d order by id" % BAD_AMOUNT
    check_equal(same_rows(source, query, target, query), 9999, "payments compared")
    old = (
        "select id, case status when 'o' then 'open' when 'c' then 'closed' end"
        " from tickets where id <> %d order by id" % BAD_STATUS
    )
    check_equal(same_rows(source, old, target, "select * from tickets order by id"), 499, "tickets compared")
    old = "select * from remarks where id not in (%d, %d) order by id" % (ORPHAN, BAD_STATUS)
    check_equal(same_rows(source, old, target, "select * from remarks order by id"), 298, "remarks compared")


def check_rejects(migration):
    rejects = rejects_by_row(migration)
    check_equal(set(rejects), REJECTED, "rejected rows")
    expected = {
        ("payments", BAD_AMOUNT): ("23514", "amount_is_not_negative", None),
        ("tickets", BAD_STATUS): ("", None, "tickets.status"),
        ("remarks", ORPHAN): ("23503", "remark_has_ticket", None),
        ("remarks", BAD_STATUS): ("23503", "remark_has_ticket", None),
    }
    actual = {
        row: (reject["sqlstate"] or "", reject["constraint"] or None, reject["rule"] or None)
        for row, reject in rejects.items()
    }
    check_equal(
        sorted(actual.items()), sorted(expected.items()), "SQLSTATE, constraint and rule of the rejects"
    )
    for (table, key), reject in rejects.items():
        where = "reject of %s %d" % (table, key)
        check_equal(reject["kind"], "dead", "kind of the " + where)
        check_equal(reject["topic"], migration.topic(table), "topic of the " + where)
        check(reject["message"], "the %s has no message: %r" % (where, reject))
        check(
            reject["offset"] < migration.parts.kafka.end_offsets(reject["topic"], 4)[reject["partition"]],
            "the %s is behind the end of its partition: %r" % (where, reject),
        )
    parked = [reject["tries"] for (table, _), reject in rejects.items() if table == "remarks"]
    check(min(parked) > 1, "orphans were not tried again: tries %r" % parked)


def check_verify(migration):
    verdict = migration.json("verify", code=5)
    check_equal(verdict["verdict"], "different", "verdict")
    different = {
        (table["id"], int(difference["source_key"][0])): difference
        for table in verdict["tables"]
        for difference in table["differences"]
    }
    check_equal(set(different), REJECTED, "rows that verify calls different")
    for row, difference in different.items():
        check_equal(difference["kind"], "missing", "kind of %s %d" % row)
        check(difference.get("reject"), "%s %d is shown without its reject: %r" % (*row, difference))


main(only_the_rows_that_cannot_arrive_are_rejected)
