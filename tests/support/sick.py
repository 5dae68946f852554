"""sick -- a target that falls ill while a run writes to it, and is well again later.

In:     databases of a test; the test makes the illness and ends it.
Out:    the run goes on as if nothing had been: no reject, no row lost or written twice, exit 0.
Never:  decides how long it may take to notice: the event with the SQLSTATE is waited for.
"""

from e2e import check_equal, same_rows
from migration import Migration

ROWS = 8000
BEFORE = 1500  # rows that are applied before the target falls ill

SOURCE = """
create table letters (id int primary key, text text);
create table parcels (id int primary key, text text);
insert into letters select i, 'письмо ' || i from generate_series(1, %d) i;
insert into parcels select i, 'посылка ' || i from generate_series(1, %d) i""" % (ROWS, ROWS)

TARGET = """
create table letters (id int primary key, text text);
create table parcels (id int primary key, text text)"""

MAPPING = """
  - {from: public.letters, to: [{table: public.letters}]}
  - {from: public.parcels, to: [{table: public.parcels}]}
"""


class Patient:
    """A run with rows applied on both sides of the illness: it is under way, and is not done before its end."""

    def __init__(self, parts, target=None, target_sql=TARGET, **sections):
        self.source, self.target = parts.source.database(), target or parts.target.database()
        self.source.sql(SOURCE)
        self.target.sql(target_sql)
        defaults = {
            "run": {"workers": 1},
            "topics": {"partitions": 2},
            "backfill": {"rate": 3000, "page": 200},
            "apply": {"batch_rows": 500, "retry_delay": "200ms"},
        }
        for name, values in sections.items():
            defaults[name] = {**defaults.get(name, {}), **values}
        self.migration = Migration(parts, self.source, self.target, MAPPING, **defaults)
        self.run = None

    def start(self):
        self.run = self.migration.start("rowhaul", "run", "--until", "backfilled")
        self.migration.wait_accepted(BEFORE, process=self.run)

    def wait_event(self, event, sqlstate):
        """What the worker does about it."""
        self.run.wait_event(event, 40, sqlstate=sqlstate)

    def check_recovery(self, timeout=90):
        check_equal(self.run.wait(timeout), 0, "exit code of rowhaul run")
        check_equal(self.run.events("row_rejected") + self.run.events("row_parked"), [], "refused rows")
        for table in ("letters", "parcels"):
            query = "select * from %s order by id" % table
            check_equal(same_rows(self.source, query, self.target, query), ROWS, "rows of %s" % table)
        check_equal(self.migration.ledger("select * from rowhaul.rejects where run = $run"), [], "rejects")
        self.migration.check_ledger(to_the_end=False)
