"""kill_loop -- one migration after the other, and all the while something is killed, stopped or cut off.

In:     a seed: it decides the order of the faults and when each comes.
Out:    each fault of the list made once: every failpoint of docs/failpoints.md as a crash, and what the
        table `FAULTS` has. After each migration the target equals what the mapping makes of the source,
        the books balance, nothing was written twice.
Never:  knows what the programs do about a fault: a run may only go on, or ask to be started again.

Timing is the machine's, so a seed repeats the faults and their order, not each instruction.
"""

import os
import random
import re
import signal
import time

from e2e import CHECKOUT, Failure, check, check_equal, same_rows, wait_until
from migration import Migration

CUSTOMERS, ORDERS, NOTES = 9000, 15000, 6000
ROWS_A_SECOND = 1500
WORKERS = 2  # of the run; one more, with a failpoint, comes and goes
SESSION_MS = 6000  # the shortest that a broker takes by itself
CRASHED_CREATIONS = 3  # of one migration
ELSEWHERE = {"after_swap"}  # wants a target that knew the rows otherwise: tests/e2e/swap
IN_A_REPLAY = "after_replayed_batch"
POINT_PATIENCE_S = 25  # a level's end is so far away
AWAY_S = 0.5  # how long a killed server stays away
DONE_WITH_WARNINGS, KILLED = 1, 137
SERVER_AWAY = {7, 8, 9}  # a run may end so while a server is away, and goes on when it is started again
UNREACHABLE = {"RH-4001", "RH-5001", "RH-6001"}  # and says so by one of these
COMING_UP = {"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"}  # or it is back
OF_A_CHILD = {"RH-7005", "RH-7012"}  # whose own words stand above

SOURCE = """
create table customers (id int primary key, name text not null, status text, credit int);
create table orders (id bigint primary key, customer int not null, note text, items jsonb not null);
create table notes (area int, number int, text text, primary key (area, number));
insert into customers
select i, 'Клиент № ' || i || E' «Ёлка»\\n\\t\\\\', case when i %% 300 = 7 then 'lost' when i %% 2 = 0 then 'a' else 'i' end,
       case when i %% 400 = 9 then -i else i end
  from generate_series(1, %(CUSTOMERS)d) i;
insert into orders
select i, case when i %% 500 = 11 then 1000000 + i else 1 + i * 7919 %% %(CUSTOMERS)d end,
       case when i %% 4 <> 0 then repeat('да/нет ', i %% 9) end,
       jsonb_build_array(i, null, jsonb_build_object('цена', i / 100.0))
  from generate_series(1, %(ORDERS)d) i;
insert into notes select i %% 100, i, md5(i::text) from generate_series(1, %(NOTES)d) i;
analyze""" % globals()

# A customer may be refused by its rule (status) or by the target (credit); its orders then have no customer.
TARGET = """
create table clients (
    client_id int primary key, name text not null, status text not null, credit int check (credit >= 0));
create table orders (
    id bigint primary key, client_id int not null references clients, note text, items jsonb not null,
    origin text not null);
create table notes (area int, number int, text text, primary key (area, number))"""

MAPPING = """
  - from: public.customers
    to:
      - table: public.clients
        columns:
          client_id: id
          status: {map: {from: status, values: {a: active, i: idle}, otherwise: reject}}
  - from: public.orders
    to:
      - table: public.orders
        columns: {client_id: customer, origin: {const: old}}
  - {from: public.notes, to: [{table: public.notes}]}
"""

# What arrives, in SQL of our own: (query of the source, query of the target), and who does not.
GOOD_CUSTOMER = "status <> 'lost' and credit >= 0"
GOOD_ORDER = "exists (select from customers c where c.id = customer and %s)" % GOOD_CUSTOMER
EQUAL = [
    (
        "select id, name, case status when 'a' then 'active' else 'idle' end, credit from customers"
        " where %s order by id" % GOOD_CUSTOMER,
        "select client_id, name, status, credit from clients order by client_id",
    ),
    (
        "select id, customer, note, items, 'old' from orders where %s order by id" % GOOD_ORDER,
        "select id, client_id, note, items, origin from orders order by id",
    ),
    ("select * from notes order by area, number", "select area, number, text from notes order by area, number"),
]
REJECTED = (
    "select 'customers', array[id::text] from customers where not (%s)"
    " union all select 'orders', array[id::text] from orders where not (%s)" % (GOOD_CUSTOMER, GOOD_ORDER)
)
KEYS = {"public.clients": "client_id", "public.orders": "id", "public.notes": "number"}

OF_A_BEGINNING = "after_divide"  # of a table: later there is none to come
ONCE = {OF_A_BEGINNING, "after_claim", "after_hello", "after_assign", "after_parked_retry", "before_barrier", "after_barrier"}


def failpoints():
    """{program: [name, ...]} of docs/failpoints.md: the failpoints that a copy comes by, no controls."""
    found = {}
    with open(os.path.join(CHECKOUT, "docs", "failpoints.md"), encoding="utf-8") as file:
        for name, program in re.findall(r"^\| `(\w+)` \| (\w+) \|", file.read(), re.M):
            if not name.startswith("unsafe_") and name not in ELSEWHERE:
                found.setdefault(program, []).append(name)
    check(set(found) == {"every", "creation", "producer", "worker"}, "programs in docs/failpoints.md: %s" % found)
    return found


class NotNow(Exception):
    """The run is not where this fault could be made; another migration will be."""


class KillLoop:
    def __init__(self, parts, seed):
        self.parts = parts
        self.seed = seed
        self.random = random.Random(seed)
        self.migration = self.run = self.armed = None
        self.replays = []
        self.server_was_away = False  # while this migration ran
        self.made = []
        points = failpoints()
        self.order = points["every"] + points["creation"]
        self.at_creation = self._shuffled(list(self.order))
        self.in_a_worker = self._shuffled(points["worker"])
        self.others = self._shuffled([*FAULTS, *points["producer"]])
        self.total = len(self.at_creation) + len(self.in_a_worker) + len(self.others)

    def _shuffled(self, names):
        self.random.shuffle(names)
        return names

    def is_done(self):
        return len(self.made) == self.total

    def _note(self, fault):
        self.made.append(fault)
        print("  %6.1f s  %2d/%d %s" % (time.monotonic() - self.began, len(self.made), self.total, fault), flush=True)

    def sweep(self):
        """Every fault once."""
        self.began = time.monotonic()
        migrations = 0
        while not self.is_done():
            check(migrations < 10, "after 10 migrations faults are left: %s" % self._left())
            migrations += 1
            self.one_migration()
        print("  %6.1f s  seed %d: %d migrations" % (time.monotonic() - self.began, self.seed, migrations))

    def _left(self):
        return self.at_creation + self.in_a_worker + self.others

    # --- a migration ----------------------------------------------------------------------------------

    def one_migration(self):
        source, target = self.parts.source.database(), self.parts.target.database()
        source.sql(SOURCE)
        target.sql(TARGET)
        self.migration = Migration(
            self.parts,
            source,
            target,
            MAPPING,
            run={"workers": WORKERS},
            kafka={"session.timeout.ms": SESSION_MS},
            backfill={"rate": ROWS_A_SECOND, "page": 150, "range_rows": 2000},  # all are divided
            apply={"batch_rows": 400, "retry_delay": "300ms"},
        )
        self.migration.watch(KEYS)
        self._create()
        while self._is_under_way() and not self.is_done():
            self._arm_worker()
            self._pause()
            if self._is_under_way():
                self._next_fault()
        self._finish()
        self._check(source, target)
        self._remove()

    def _remove(self):
        """Or hours of migrations would fill the servers."""
        topics = self.parts.kafka.topics(self.migration.prefix + ".")
        self.parts.kafka.delete_topics(list(topics))
        self.parts.kafka.delete_groups(self.parts.kafka.groups(self.migration.prefix + "."))
        self.parts.source.drop_all()
        self.parts.target.drop_all()

    def _create(self):
        """Crashes some creations, the earlier place first: a step that is done is not made again."""
        for point in sorted(self.at_creation[:CRASHED_CREATIONS], key=self.order.index):
            crashed = self._start_run(point)
            check_equal(crashed.wait(30), KILLED, "exit code of rowhaul run at the failpoint " + point)
            self.at_creation.remove(point)
            self._note(point)
        if OF_A_BEGINNING in self.others:
            check(self._comes_to(OF_A_BEGINNING), "the producer did not come to " + OF_A_BEGINNING)
            self.others.remove(OF_A_BEGINNING)
            self._note(OF_A_BEGINNING)
            self.stop_run()
        self.run = self._start_run()

    def _start_run(self, *points, nth=1):
        rules = ",".join("%s=crash@%d" % (point, nth) for point in points)
        return self.migration.start(
            "rowhaul", "run", "--until", "backfilled", environment={"ROWHAUL_FAILPOINTS": rules}
        )

    def _is_under_way(self):
        """Starts a run again that ended because a server was away; any other end but the right one fails."""
        if self.run.is_running():
            return True
        code = self.run.wait(0)
        if self._is_excused(self.run):
            print("          the run ended with %d, started again" % code)
            self.run = self._start_run()
            return True
        check_equal(code, DONE_WITH_WARNINGS, "exit code of rowhaul run")
        return False

    def _is_excused(self, process):
        """It ended because a server was away, and for nothing else."""
        if not self.server_was_away or process.wait(0) not in SERVER_AWAY:
            return False
        self._check_errors(process)
        return True

    def _check_errors(self, process):
        """Also a child's end while the run was asked to leave has to be a good one."""
        found = [
            event
            for event in process.events(level="error")
            if event.get("code") not in UNREACHABLE | OF_A_CHILD and event.get("kafka") not in COMING_UP
        ]
        check_equal(found, [], "errors of " + process.label)

    def _pause(self):
        """Some faults come at once behind the last one, others when all is calm again."""
        deadline = time.monotonic() + self.random.choice((0.0, 0.3, 1.0, 2.5))
        while time.monotonic() < deadline and self.run.is_running():
            time.sleep(0.1)

    def _next_fault(self):
        if not self.others:
            time.sleep(0.3)  # an armed worker may still come to its point
            return
        fault = self.others.pop(0)
        make = FAULTS.get(fault) or (lambda loop: loop.crash_producer(fault))
        try:
            make(self)
        except NotNow:
            self.others.append(fault)
            time.sleep(0.2)
            return
        self._note(fault)

    def _finish(self):
        deadline = time.monotonic() + 90
        while self._is_under_way():
            check(time.monotonic() < deadline, "rowhaul run did not end within 90 s after the last fault")
            time.sleep(0.2)
        check_equal(self.run.children(), [], "processes that rowhaul run left behind")
        if self.armed is not None:
            self._look_at_armed()
        if self.armed is not None:  # never came to its point
            process, point = self.armed
            check_equal(process.terminate(), 0, "exit code of the worker with the failpoint " + point)
            self.in_a_worker.append(point)
            self.armed = None
        while self.replays:
            replay = self.replays.pop()
            code = replay.wait(60)
            # 1: rows were refused once more.
            check(code in (0, DONE_WITH_WARNINGS) or self._is_excused(replay), "%s ended with %d" % (replay.label, code))
        self.server_was_away = False

    def _check(self, source, target):
        for of_source, of_target in EQUAL:
            check(same_rows(source, of_source, target, of_target) > 0, "no rows were compared")
        expected = sorted(source.sql(REJECTED))
        found = self.migration.ledger("select table_id, source_key, kind from rowhaul.rejects where run = $run")
        check_equal(sorted(row[:2] for row in found), expected, "rejects")
        check_equal({row[2] for row in found}, {"dead"}, "kinds of rejects")
        self.migration.check_ledger(to_the_end=False)
        self.migration.check_written_once()
        self.migration.check_offsets_applied_once()

    # --- a worker with a failpoint --------------------------------------------------------------------

    def _arm_worker(self):
        if self.armed is not None:
            self._look_at_armed()
        if self.armed is None and self.in_a_worker:
            point = self.in_a_worker.pop(0)
            nth = 1 if point in ONCE else self.random.randint(1, 3)
            rule = "%s=crash@%d" % (point, nth)
            process = self.migration.start("rowhaul-worker", environment={"ROWHAUL_FAILPOINTS": rule})
            self.armed = process, point
            if point == IN_A_REPLAY:
                self._replay_for(process)

    def _replay_for(self, worker):
        """Of every table, or it might have none of the partitions."""
        assigned = lambda: worker.events("partition_assigned") or not (worker.is_running() and self.run.is_running())
        wait_until(assigned, 30, "the worker to have partitions")
        for table in ("customers", "orders", "notes"):
            self.replay(table)

    def _look_at_armed(self):
        process, point = self.armed
        if process.is_running():
            return
        self.armed = None
        code = process.wait(0)
        if code == KILLED:
            self._note(point)
            return
        check(self._is_excused(process), "%s ended with %d" % (process.label, code))
        self.in_a_worker.append(point)

    # --- faults ---------------------------------------------------------------------------------------

    def child(self, program):
        pids = [
            pid
            for words in ([("worker-%d" % n,) for n in range(1, WORKERS + 1)] if program == "rowhaul-worker" else [()])
            for pid in [self.run.child(program, *words)]
            if pid is not None
        ]
        if not pids:
            raise NotNow
        return self.random.choice(pids)

    def signal_child(self, program, number):
        pid = self.child(program)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            raise NotNow from None
        return pid

    def crash_producer(self, point):
        """The run is asked to leave and comes again with the failpoint; then once more without."""
        self.stop_run()
        hit = self._comes_to(point)
        if self.run.is_running():
            self.stop_run()
            self.run = self._start_run()
        if not hit:
            raise NotNow

    def _comes_to(self, point):
        """Starts a run whose producer crashes at a failpoint, and tells whether it came there."""
        self.run = self._start_run(point, nth=1 if point in ONCE else self.random.randint(1, 4))
        deadline = time.monotonic() + POINT_PATIENCE_S
        while self.run.is_running() and time.monotonic() < deadline:
            if self.run.events("child_killed", child="producer"):
                return True
            time.sleep(0.05)
        return bool(self.run.events("child_killed", child="producer"))

    def stop_run(self):
        if self.run.terminate() != 143:  # it had just come to its end
            raise NotNow
        self._check_errors(self.run)

    def kill_run(self):
        self.run.kill9()
        wait_until(lambda: not self.run.children(), 10, "the children of a killed run to follow it")
        self.run = self._start_run()

    def server_goes_away(self, part):
        self.server_was_away = True
        self.parts.kill(part)
        time.sleep(self.random.choice((0, AWAY_S, 4 * AWAY_S)))
        self.parts.restart(part)

    def restart_server(self, part):
        self.server_was_away = True
        self.parts.restart(part)

    def cut_sessions(self, database):
        cut = database.value(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and application_name like 'rowhaul%'"
        )
        if cut == "0":
            raise NotNow

    def replay(self, table=None):
        """All that was applied so far is applied once more, beside whatever goes on."""
        table = table or self.random.choice(("customers", "orders", "notes"))
        self.replays.append(self.migration.start("rowhaul", "replay", "--table", table))

    def stop_worker_for_long(self):
        """Beyond its session's time: the others take over what it holds, and it wakes up replaced."""
        pid = self.signal_child("rowhaul-worker", signal.SIGSTOP)
        time.sleep(SESSION_MS / 1000 + 2)
        os.kill(pid, signal.SIGCONT)


FAULTS = {
    "the producer is killed": lambda loop: loop.signal_child("rowhaul-producer", signal.SIGKILL),
    "a worker is killed": lambda loop: loop.signal_child("rowhaul-worker", signal.SIGKILL),
    "another worker is killed": lambda loop: loop.signal_child("rowhaul-worker", signal.SIGKILL),
    "the run is killed": KillLoop.kill_run,
    "Kafka is killed": lambda loop: loop.server_goes_away("kafka"),
    "the target is killed": lambda loop: loop.server_goes_away("target"),
    "the source is killed": lambda loop: loop.server_goes_away("source"),
    "the target is restarted": lambda loop: loop.restart_server("target"),
    "the source is restarted": lambda loop: loop.restart_server("source"),
    "sessions of the source are cut": lambda loop: loop.cut_sessions(loop.migration.source),
    "sessions of the target are cut": lambda loop: loop.cut_sessions(loop.migration.target),
    "a worker is stopped for long": KillLoop.stop_worker_for_long,
    "a table is replayed": KillLoop.replay,
    "another table is replayed": KillLoop.replay,
}
