"""scaling -- rows a second over time, while the workers of one running backfill become three and one again.

One table is moved by `rowhaul run --workers 1`. When some time has passed the run gets SIGUSR1 twice, later
SIGUSR2 twice; rowhaul.offsets is looked at every half second. After the last phase the run is interrupted:
the rest of the rows would say nothing new.

Out: a plot (SVG) and the samples behind it (CSV, beside it), a table of the phases on stdout. The rows cost
the target far more than the others: texts to search in and a pattern to check, and one index, so that a row
costs the same at the end as at the beginning. So what is seen is the workers' doing.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import e2e  # noqa: E402
import plot  # noqa: E402
from migration import Migration  # noqa: E402

CHECKOUT = e2e.CHECKOUT
SAMPLE_S = 0.5
SETTLING_S = 5  # of a phase, left out of its figure: partitions move, a new worker fills its queue
PARTITIONS = 6
START_S = 60  # until the first row is applied
EVENT_S = 20

SOURCE = "create table notes (id bigint primary key, author text not null, body text not null)"
TARGET = """
create table notes (
    id bigint primary key,
    author text not null check (author ~ '^[a-z0-9.]+@[a-z0-9-]+([.][a-z0-9-]+)+$'),
    body text not null,
    words tsvector generated always as (to_tsvector('simple', body)) stored,
    stems tsvector generated always as (to_tsvector('english', body)) stored)
"""
ROWS = """
insert into notes
select g, 'user.' || g % 5000 || '@mail.example.org',
       concat_ws(' ', md5(g::text), md5((g + 1)::text), md5((g + 2)::text), md5((g + 3)::text), md5((g + 4)::text))
  from generate_series(1, {rows}) g
"""
TABLES = "- {from: public.notes, to: [{table: public.notes}]}"
OFFSETS = (
    "select extract(epoch from clock_timestamp()), coalesce(sum(applied), 0), count(distinct owner)"
    " from rowhaul.offsets;\n"
)


class Ledger:
    """One session that answers the same question again and again; a psql for each would cost as much as it measures."""

    def __init__(self, database):
        self.psql = subprocess.Popen(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", database.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def sample(self):
        """Server's seconds, rows applied so far, workers that own partitions."""
        self.psql.stdin.write(OFFSETS)
        self.psql.stdin.flush()
        line = self.psql.stdout.readline()
        e2e.check(line.count("|") == 2, "the ledger does not answer: %r" % line)
        seconds, rows, owners = line.split("|")
        return float(seconds), int(rows), int(owners)

    def close(self):
        self.psql.stdin.close()
        self.psql.wait(10)


class Phase:
    def __init__(self, workers, begin):
        self.workers, self.begin, self.end = workers, begin, None
        self.complete = None  # when as many workers owned partitions

    def median(self, samples):
        return statistics.median(
            rate for second, rate, _ in samples if self.begin + SETTLING_S <= second <= self.end)


class Measurement:
    """Runs phases over a running migration and keeps the samples: (second, rows a second, owners)."""

    def __init__(self, run, ledger):
        self.run, self.ledger = run, ledger
        self.samples, self.phases = [], []
        self.last = self.wait_for_rows()
        self.zero = self.last[0]

    def wait_for_rows(self):
        deadline = time.monotonic() + START_S
        while True:
            sample = self.ledger.sample()
            if sample[1] > 0:
                return sample
            e2e.check(self.run.is_running(), "rowhaul run has ended before its first row")
            e2e.check(time.monotonic() < deadline, "no row was applied within %d s" % START_S)
            time.sleep(0.1)

    def look(self):
        sample = self.ledger.sample()
        rate = (sample[1] - self.last[1]) / (sample[0] - self.last[0])
        self.samples.append((sample[0] - self.zero, rate, sample[2]))
        self.last = sample

    def phase(self, workers, seconds):
        phase = Phase(workers, self.last[0] - self.zero)
        self.phases.append(phase)
        while self.last[0] - self.zero - phase.begin < seconds:
            time.sleep(SAMPLE_S)
            e2e.check(self.run.is_running(), "the run has ended before the phases: give it more --rows")
            self.look()
            if phase.complete is None and self.samples[-1][2] == workers:
                phase.complete = self.samples[-1][0]
        phase.end = self.last[0] - self.zero
        e2e.check(phase.complete is not None, "%d workers never shared the partitions" % workers)


def change(run, number, event, times):
    """Sends a signal so many times, each time when the one before was heard."""
    for i in range(1, times + 1):
        run.signal(number)
        e2e.wait_until(lambda: len(run.events(event)) >= i, EVENT_S, "the event " + event)


def measure(run, ledger, seconds):
    measured = Measurement(run, ledger)
    measured.phase(1, seconds)
    change(run, signal.SIGUSR1, "worker_added", 2)
    measured.phase(3, seconds)
    change(run, signal.SIGUSR2, "worker_removed", 2)
    measured.phase(1, seconds)
    return measured


def longest_standstill(samples, phase):
    """Seconds in a row without a single row applied."""
    longest = now = 0
    for second, rate, _ in samples:
        if phase.begin < second <= phase.end:
            now = now + SAMPLE_S if rate == 0 else 0
            longest = max(longest, now)
    return longest


def report(measured):
    first = measured.phases[0].median(measured.samples)
    print("| workers | rows/s, median of the phase | ratio to the first phase | shared the partitions after s |"
          " longest standstill s |")
    print("|---|---|---|---|---|")
    for phase in measured.phases:
        rate = phase.median(measured.samples)
        print("| %d | %s | %.2f | %.1f | %.1f |" % (
            phase.workers, format(round(rate), ","), rate / first, phase.complete - phase.begin,
            longest_standstill(measured.samples, phase)))


def write(path, measured):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    phases = [
        (phase.begin, phase.end,
         "%d worker%s: %s rows/s" % (phase.workers, "" if phase.workers == 1 else "s",
                                     format(round(phase.median(measured.samples)), ",")),
         min(phase.workers - 1, 2))
        for phase in measured.phases
    ]
    title = "Rows applied a second while workers join and leave (%d cores for everything)" % os.cpu_count()
    with open(path, "w", encoding="utf-8") as file:
        file.write(plot.draw(title, "rows/s", [sample[:2] for sample in measured.samples], phases))
    with open(os.path.splitext(path)[0] + ".csv", "w", encoding="utf-8") as file:
        file.write("second,rows_per_second,workers\n")
        file.writelines("%.2f,%.0f,%d\n" % sample for sample in measured.samples)


def scaling(parts, options):
    source, target = parts.source.database(), parts.target.database()
    source.sql(SOURCE)
    source.sql(ROWS.format(rows=options.rows))
    source.sql("vacuum analyze notes")
    target.sql(TARGET)
    migration = Migration(
        parts, source, target, TABLES, name="scaling",
        topics={"partitions": PARTITIONS},
        apply={"batch_rows": 1000},  # several batches a sample, or the dots would jump
    )
    run = e2e.Process(
        parts,
        [os.path.join(os.environ["ROWHAUL_BIN"], "rowhaul"), "run", "--workers", "1", "-c", migration.file,
         "--log-format", "json", "--log-level", "info"],
        migration.environment,
    )
    e2e.wait_until(lambda: run.events("run_created"), START_S, "the run to be created")
    ledger = Ledger(target)
    measured = measure(run, ledger, options.seconds)
    ledger.close()
    e2e.check_equal(run.terminate(), 143, "exit code of the interrupted run")
    write(options.out, measured)
    report(measured)


def main():
    parser = argparse.ArgumentParser(prog="run scaling", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=4_000_000, help="more than the phases will take")
    parser.add_argument("--seconds", type=float, default=20, help="of each phase (default: 20)")
    parser.add_argument("--out", default=os.path.join(CHECKOUT, "docs", "images", "scaling.svg"))
    options = parser.parse_args()
    parts = e2e.Parts("scaling")
    try:
        scaling(parts, options)
    finally:
        for problem in parts.clean(False):
            print("could not clean up: " + problem, file=sys.stderr)


if __name__ == "__main__":
    main()
