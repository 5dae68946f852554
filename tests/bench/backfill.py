"""backfill -- how fast a fresh backfill through Kafka is, as a ratio to `psql COPY | psql COPY`.

Per round, in turn: the pipe, then rowhaul with each number of workers, into the same empty target table
with the same indexes. Reported are medians over the rounds: rows a second, the ratio to the pipe of the
same round, CPU microseconds a row of each part, and each process's peak resident memory.

What counts as rowhaul's time: from the run's creation until every partition has applied the end barrier,
both as the ledger has them. The whole command's time, topics and all, is beside it.
"""

import argparse
import glob
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import e2e  # noqa: E402

CHECKOUT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BIN = os.environ["ROWHAUL_BIN"]
TICKS = os.sysconf("SC_CLK_TCK")

NARROW = """
create table narrow (id bigint primary key, k int not null, v text not null,
                     ts timestamptz not null, amount numeric(14,2));
"""
NARROW_ROWS = """
insert into narrow
select g, (hashint8(g) & 1048575), md5(g::text) || substr(md5((g + 1)::text), 1, 8),
       '2020-01-01'::timestamptz + g * interval '17 seconds', (hashint8(g) & 99999999)::numeric / 100
  from generate_series(1, %d) g
"""


def narrow(source, target, rows):
    for database in (source, target):
        database.sql(NARROW)
    source.sql(NARROW_ROWS % rows)


def crm(source, target, rows):
    examples = os.path.join(CHECKOUT, "sql/examples/crm")
    subprocess.run(["psql", "-Xq", source.url, "-f", examples + "/source.sql"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["psql", "-Xq", source.url, "-v", "clients=%d" % rows, "-f", examples + "/generate.sql"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["psql", "-Xq", target.url, "-f", examples + "/target.sql"], check=True,
                   stdout=subprocess.DEVNULL)
    # Only clients move; what they refer to is there before.
    pipe(source, target, "companies")


WORKLOADS = {"narrow": (narrow, "narrow", 2_000_000), "crm clients": (crm, "clients", 200_000)}

MAPPING = """
version: 1
name: %(name)s
mode: snapshot
source: {url: "%(source)s"}
target: {url: "%(target)s"}
kafka: {bootstrap.servers: "%(kafka)s"}
topics: {prefix: bench, partitions: %(partitions)d, allow_unsafe: true}
run: {workers: %(workers)d}
backfill: {threads: %(threads)d}
tables:
  - id: %(table)s
    from: public.%(table)s
    to:
      - {table: public.%(table)s, copy: all}
"""


def pipe(source, target, table):
    """The limit: what PostgreSQL itself takes for the same rows and indexes."""
    command = "psql -Xqc 'copy %s to stdout' '%s' | psql -Xqc 'copy %s from stdin' '%s'"
    began = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", command % (table, source.url, table, target.url)],
                   check=True)
    return time.monotonic() - began


def empty(target, table):
    target.sql("truncate %s cascade" % table)
    target.sql("checkpoint")


def cpu_seconds(pid):
    """Of a process and of the children it has waited for."""
    with open("/proc/%s/stat" % pid) as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def children(pid):
    for path in glob.glob("/proc/%d/task/*/children" % pid):
        try:
            with open(path) as listed:
                yield from listed.read().split()
        except OSError:  # the thread has just ended
            pass


def peak_kib(pid):
    try:
        with open("/proc/%s/status" % pid) as status:
            text = status.read()
        name = text.split("\n", 1)[0].split("\t")[1]
        return name, int(text.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return None, 0


class Cpu:
    """CPU of the servers while something runs."""

    def __enter__(self):
        self.before = self.read()
        return self

    def __exit__(self, *_):
        time.sleep(0.2)  # backends that end are waited for
        after = self.read()
        self.cpu = {name: after[name] - self.before[name] for name in after}

    @staticmethod
    def read():
        pids = {"source": "SOURCE_PID", "target": "TARGET_PID", "kafka": "KAFKA_PID"}
        return {name: cpu_seconds(os.environ[variable]) for name, variable in pids.items()}


def rowhaul(source, target, table, workers, scratch, options):
    name = "b%d" % os.getpid()
    path = os.path.join(scratch, "bench.yaml")
    with open(path, "w") as mapping:
        mapping.write(MAPPING % {
            "name": name, "source": source.url, "target": target.url, "kafka": os.environ["KAFKA_BOOTSTRAP"],
            "partitions": options.partitions, "workers": workers, "threads": options.threads,
            "table": table})
    peaks = {}
    with Cpu() as spent:
        began = time.monotonic()
        run = subprocess.Popen([os.path.join(BIN, "rowhaul"), "run", "-c", path, "--log-level", "warn"],
                               stdout=subprocess.DEVNULL)
        cpu = {}
        while run.poll() is None:
            for pid in children(run.pid):
                program, peak = peak_kib(pid)
                if program:
                    peaks[program] = max(peaks.get(program, 0), peak)
                    try:
                        cpu[(program, pid)] = cpu_seconds(pid)
                    except OSError:
                        pass
            time.sleep(0.02)
        whole = time.monotonic() - began
    if run.returncode != 0:
        sys.exit("rowhaul run ended with %d" % run.returncode)
    (seconds,), = target.sql("select extract(epoch from max(b.seen_at) - r.created_at) from rowhaul.runs r"
                             " join rowhaul.barrier_seen b using (run) group by r.created_at")
    subprocess.run([os.path.join(BIN, "rowhaul"), "cleanup", "-c", path, "--yes"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for (program, _), used in cpu.items():
        spent.cpu[program] = spent.cpu.get(program, 0) + used
    return float(seconds), whole, spent.cpu, peaks


def measure(workload, rows, options, scratch):
    fill, table, default_rows = WORKLOADS[workload]
    rows = rows or default_rows
    parts = e2e.Parts("bench")
    try:
        source, target = parts.source.database(), parts.target.database()
        fill(source, target, rows)
        source.sql("vacuum analyze")
        source.sql("checkpoint")
        results = {}
        for _ in range(options.rounds):
            empty(target, table)
            limit = pipe(source, target, table)
            results.setdefault("pipe", []).append((limit, limit, {}, {}, 1.0))
            for workers in options.workers:
                empty(target, table)
                seconds, whole, cpu, peaks = rowhaul(source, target, table, workers, scratch, options)
                results.setdefault(workers, []).append((seconds, whole, cpu, peaks, limit / seconds))
    finally:
        parts.clean(False)
    report(workload, rows, results)


def median_of(rounds, pick):
    return statistics.median(pick(one) for one in rounds)


def report(workload, rows, results):
    print("\n%s, %s rows, median of %d" % (workload, format(rows, ","), len(results["pipe"])))
    print("\n| | rows/s | ratio | whole command s | CPU µs a row: source, producer, broker, workers, target |"
          " peak MiB: producer, worker |")
    print("|---|---|---|---|---|---|")
    for key, rounds in results.items():
        seconds = median_of(rounds, lambda one: one[0])
        name = "`COPY \\| COPY`" if key == "pipe" else "%d worker%s" % (key, "" if key == 1 else "s")
        cells = ["", ""]
        if key != "pipe":
            cpu = [median_of(rounds, lambda one: one[2].get(part, 0)) * 1e6 / rows
                   for part in ("source", "rowhaul-produce", "kafka", "rowhaul-worker", "target")]
            peak = [median_of(rounds, lambda one: one[3].get(part, 0)) / 1024
                    for part in ("rowhaul-produce", "rowhaul-worker")]
            cells = [", ".join("%.2f" % one for one in cpu), ", ".join("%.0f" % one for one in peak)]
        print("| %s | %s | %.2f | %.1f | %s | %s |" % (
            name, format(round(rows / seconds), ","), median_of(rounds, lambda one: one[4]),
            median_of(rounds, lambda one: one[1]), *cells))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workloads", nargs="*", help="narrow, crm (default: both)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=0, help="default: 2,000,000 narrow, 200,000 clients")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    scratch = os.path.join(CHECKOUT, "build", "bench")
    os.makedirs(scratch, exist_ok=True)
    wanted = ["crm clients" if name == "crm" else name for name in options.workloads] or list(WORKLOADS)
    for workload in wanted:
        measure(workload, options.rows, options, scratch)


if __name__ == "__main__":
    main()
