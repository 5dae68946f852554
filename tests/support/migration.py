"""migration -- a configuration file between two databases of a test, and what must hold after its run.

In:     databases (e2e.py), the `tables:` of a mapping as YAML text.
Out:    rowhaul's programs started with it; the ledger's promises checked by SQL of our own; two
        independent histories of what was written: triggers on the target, and its decoded WAL.
Never:  shares code with rowhaul.
"""

import glob
import json
import os

from e2e import CHECKOUT, check, check_equal, start, wait_until

END_BARRIER = 0xFFFFFFFF  # docs/wire-format.md: closes a run
SHOWN_MAX = 20  # of the rows that a failure lists


class Migration:
    """A configuration file. Sections are added to its defaults: topics={"partitions": 1}."""

    def __init__(self, parts, source, target, tables, name="e2e", **sections):
        self.parts = parts
        self.source = source
        self.target = target
        self.tables = tables
        self.name = name
        self.sections = sections
        self.prefix = "%s_%d" % (parts.topics_prefix, len(parts.migrations))
        parts.migrations.append(self)
        self.environment = {
            "SOURCE_URL": source.url,
            "TARGET_URL": target.url,
            "KAFKA_BOOTSTRAP": parts.kafka_bootstrap,
        }
        self.file = self.write(self.prefix + ".yaml")

    def write(self, file, tables=None, **sections):
        """Writes the configuration, or a variant of it, and returns the path."""
        settings = {
            "source": {"url": "${SOURCE_URL}"},
            "target": {"url": "${TARGET_URL}"},
            "kafka": {"bootstrap.servers": "${KAFKA_BOOTSTRAP}"},
            # small_rows 0: every table gets all the partitions, however small the test.
            "topics": {"prefix": self.prefix, "allow_unsafe": True, "partitions": 4, "small_rows": 0},
        }
        for section, values in [*self.sections.items(), *sections.items()]:
            settings[section] = {**settings.get(section, {}), **values}
        lines = ["version: 1", "name: " + self.name, "mode: snapshot"]
        # JSON is YAML.
        lines += ["%s: %s" % (section, json.dumps(values)) for section, values in settings.items()]
        lines += ["tables:", tables or self.tables, ""]
        return self.parts.write(file, "\n".join(lines))

    # --- programs -------------------------------------------------------------------------------------

    def start(self, program, *arguments, file=None, environment=None):
        """Starts one of rowhaul's programs; `arguments` begin with the verb where it has verbs."""
        return start(
            program,
            *arguments,
            "-c",
            file or self.file,
            "--log-format",
            "json",
            environment={**self.environment, **(environment or {})},
        )

    def call(self, *arguments, program="rowhaul", timeout=60, file=None):
        """Runs a program to its end and returns it; .wait(0) gives the exit code."""
        process = self.start(program, *arguments, file=file)
        process.wait(timeout)
        return process

    def finish(self, code=0, timeout=90, file=None):
        """`rowhaul run` until the backfill is done, which must end with this code."""
        done = self.call("run", "--until", "backfilled", timeout=timeout, file=file)
        check_equal(done.wait(0), code, "exit code of rowhaul run")
        check_equal(done.children(), [], "processes that rowhaul run left behind")
        return done

    def json(self, *arguments, code=0, timeout=120):
        """The JSON document that a verb prints."""
        done = self.call(*arguments, "--format", "json", timeout=timeout)
        check_equal(done.wait(0), code, "exit code of rowhaul " + " ".join(arguments))
        return json.loads(done.stdout)

    def json_lines(self, *arguments, code=0, timeout=60):
        done = self.call(*arguments, "--format", "json", timeout=timeout)
        check_equal(done.wait(0), code, "exit code of rowhaul " + " ".join(arguments))
        return [json.loads(line) for line in done.stdout.splitlines()]

    # --- the ledger -----------------------------------------------------------------------------------

    def ledger(self, query):
        """Rows of a query in which `run` is the run's id."""
        return self.target.sql(query.replace("$run", self._run_id()))

    def _run_id(self):
        return "(select run from rowhaul.runs where migration = '%s')" % self.name

    def accepted(self):
        """How many messages the target has committed so far; 0 while it cannot be asked."""
        query = "select coalesce(sum(accepted), 0) from rowhaul.offsets where run = " + self._run_id()
        return int(self.target.value_or(0, query))

    def wait_accepted(self, rows, timeout=60, process=None):
        """Waits until that many messages were applied, and fails at once when the process ends before."""

        def enough():
            running = process is None or process.is_running()
            if self.accepted() >= rows:
                return True
            check(running, "%s ended before %d rows were applied" % (process and process.label, rows))
            return False

        wait_until(enough, timeout, "%d rows to be applied" % rows)

    def topic(self, table_id):
        return "%s.%s.%s" % (self.prefix, self.name, table_id)

    def check_ledger(self, state="completed", to_the_end=True):
        """The run has its state; each partition is applied to the end of its log; the books balance.

        A producer that was killed may have said something more behind the end barrier: to_the_end=False.
        """
        self.check_applied(to_the_end)
        check_equal(
            self.target.sql(
                "select state, completed_at is not null from rowhaul.runs where migration = '%s'" % self.name
            ),
            [(state, "t" if state == "completed" else "f")],
            "state of the run and whether it has a time of completion",
        )

    def check_applied(self, to_the_end=True):
        self._check_partitions(to_the_end)
        self._check_barriers()
        self._check_worker_books()
        self._check_producer_books()

    def is_at_the_end(self):
        """Whether every partition of the ledger is applied to the end of its log as it is now."""
        return self._applied() == self._ends()

    def _applied(self):
        rows = self.ledger("select topic, partition, next_offset from rowhaul.offsets where run = $run")
        return {(topic, int(partition)): int(offset) for topic, partition, offset in rows}

    def _ends(self):
        topics = {
            name: count
            for name, count in self.parts.kafka.topics(self.prefix + ".").items()
            if not name.endswith((".state", ".control"))
        }
        return {
            (topic, number): offset
            for topic in topics
            for number, offset in enumerate(self.parts.kafka.end_offsets(topic, topics[topic]))
        }

    def _check_partitions(self, to_the_end):
        applied, ends = self._applied(), self._ends()
        check_equal(sorted(applied), sorted(ends), "partitions of the ledger (actual) and of Kafka")
        wrong = [
            (topic, number, offset, ends[topic, number])
            for (topic, number), offset in applied.items()
            if offset > ends[topic, number] or (to_the_end and offset < ends[topic, number])
        ]
        check_equal(wrong, [], "partitions that are not applied to the end (next_offset, end of the log)")

    def _check_barriers(self):
        missing = self.ledger(
            "select o.topic, o.partition from rowhaul.offsets o"
            " where o.run = $run and not exists (select from rowhaul.barrier_seen b where b.run = o.run"
            "   and b.topic = o.topic and b.partition = o.partition and b.barrier = %d)" % END_BARRIER
        )
        check_equal(missing, [], "partitions without the end barrier")

    def _check_worker_books(self):
        # Over a table, not a partition: a batch counts what several partitions of it gave in one of them.
        # Rejected, parked and oversize messages are the rows of rowhaul.rejects, each once.
        wrong = self.ledger(
            """
            select * from (
                select table_id, sum(accepted) as accepted, sum(applied) as applied,
                       sum(unchanged) as unchanged, sum(deleted) as deleted, sum(folded) as folded,
                       sum(filtered) as filtered,
                       sum(deduplicated) as deduplicated, sum(superseded) as superseded,
                       (select count(*) from rowhaul.rejects r where r.run = $run and r.table_id = o.table_id)
                           as rejects
                  from rowhaul.offsets o where run = $run group by table_id) b
             where accepted <> applied + unchanged + deleted + folded + filtered + deduplicated + superseded
                               + rejects"""
        )
        check_equal(wrong, [], "tables that do not balance (accepted, then its terms from applied to rejects)")

    def _check_producer_books(self):
        wrong = self.ledger(
            "select table_id, rows_read, rows_enqueued, rows_dropped, rows_filtered, done"
            "  from rowhaul.progress where run = $run"
            "   and (rows_read <> rows_enqueued + rows_dropped + rows_filtered or not done)"
        )
        check_equal(
            wrong, [], "tables that do not balance or are not done (read, enqueued, dropped, filtered, done)"
        )

    # --- histories ------------------------------------------------------------------------------------

    def watch(self, keys):
        """Keeps two histories of what is written into these target tables ({"schema.table": key column}).

        Before the run: the ledger's tables are made from sql/control, as the run would, for the triggers.
        """
        for file in sorted(glob.glob(os.path.join(CHECKOUT, "sql", "control", "*.sql"))):
            self.target.script(file)
        self.target.sql(WATCH_SQL)
        for table, key in keys.items():
            self.target.sql(
                "create trigger e2e_note after insert or update or delete on %s"
                " for each row execute function e2e.note_write('%s')" % (table, key)
            )
        self.watched = keys
        self.slot = self.parts.unique("e2e_watch")
        # Dropped with its database.
        self.target.sql("select pg_create_logical_replication_slot('%s', 'test_decoding')" % self.slot)

    def check_written_once(self, tables=None):
        """By both histories: each row of the target was inserted once and never touched again."""
        for table in tables or self.watched:
            rows = self.target.value("select count(*) from " + table)
            self._check_triggers(table, rows)
            self._check_wal(table, rows)

    def _check_triggers(self, table, rows):
        again = self.target.sql(
            "select key, string_agg(op || ' in ' || txid, ', ' order by number) from e2e.writes"
            " where table_name = '%s' group by key having count(*) <> 1 or min(op) <> 'INSERT'"
            " limit %d" % (table, SHOWN_MAX)
        )
        check_equal(again, [], "keys of %s that were not written just once (by the triggers)" % table)
        seen = self.target.value("select count(*) from e2e.writes where table_name = '%s'" % table)
        check_equal(seen, rows, "rows of %s that the triggers saw (actual) and that are there" % table)

    def _check_wal(self, table, rows):
        key = self.watched[table]
        # test_decoding prints `table public.t: INSERT: id[bigint]:17 name[text]:'a'`.
        decoded = """
            select substring(data from ': ([A-Z]+): ') as op,
                   substring(data from ' %s\\[[^]]*\\]:(''[^'']*''|\\S+)') as key
              from pg_logical_slot_peek_changes('%s', null, null, 'skip-empty-xacts', '1')
             where starts_with(data, 'table %s: ')""" % (key, self.slot, table)
        again = self.target.sql(
            "with w as (%s) select key, string_agg(op, ', ') from w group by key"
            " having count(*) <> 1 or min(op) <> 'INSERT' limit %d" % (decoded, SHOWN_MAX)
        )
        check_equal(again, [], "keys of %s that were not written just once (by the WAL)" % table)
        seen = self.target.value("select count(*) from (%s) w" % decoded)
        check_equal(seen, rows, "rows of %s in the WAL (actual) and in the table" % table)

    def check_offsets_applied_once(self):
        """The committed moves of each partition's offset follow one another: from 0, no gap, no overlap."""
        wrong = self.target.sql(
            """
            select topic, partition, old_offset, new_offset, before, txid
              from (select m.*, coalesce(lag(new_offset) over w, 0) as before, min(number) over t as first
                      from e2e.moves m
                    window w as (partition by topic, partition order by number),
                           t as (partition by topic, partition, txid)) h
             where old_offset <> before or new_offset <= old_offset or number <> first
             limit %d""" % SHOWN_MAX
        )
        check_equal(
            wrong,
            [],
            "moves of next_offset out of order (topic, partition, old, new, new of the one before, txid)",
        )
        wrong = self.target.sql(
            "select o.topic, o.partition, o.next_offset, m.last from rowhaul.offsets o"
            "  left join (select topic, partition, max(new_offset) as last from e2e.moves group by 1, 2) m"
            "  using (topic, partition) where o.next_offset <> coalesce(m.last, 0)"
        )
        check_equal(wrong, [], "partitions whose last move (last) is not next_offset (before it)")


WATCH_SQL = """
create schema e2e;
create table e2e.writes (
    number bigint generated always as identity, table_name text, key text, op text,
    txid bigint default txid_current());
create table e2e.moves (
    number bigint generated always as identity, topic text, partition int,
    old_offset bigint, new_offset bigint, txid bigint default txid_current());

create function e2e.note_write() returns trigger language plpgsql as $$
begin
    insert into e2e.writes (table_name, key, op)
    values (tg_table_schema || '.' || tg_table_name,
            case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end ->> tg_argv[0], tg_op);
    return null;
end $$;

create function e2e.note_move() returns trigger language plpgsql as $$
begin
    insert into e2e.moves (topic, partition, old_offset, new_offset)
    values (new.topic, new.partition, old.next_offset, new.next_offset);
    return null;
end $$;
create trigger e2e_note after update on rowhaul.offsets for each row
    when (old.next_offset is distinct from new.next_offset) execute function e2e.note_move();
"""
