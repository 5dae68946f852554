"""workloads -- what the measurements have in common: tables, the limit they are compared with, CPU.

The limit is what PostgreSQL itself takes for the same rows into the same table with the same indexes:
`psql COPY … TO STDOUT | psql COPY … FROM STDIN`.
"""

import argparse
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import e2e  # noqa: E402, F401 (for those who import this)

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


def write_mapping(source, target, table, options, workers):
    """Writes a configuration file; the run's name is this process's."""
    scratch = os.path.join(CHECKOUT, "build", "bench")
    os.makedirs(scratch, exist_ok=True)
    path = os.path.join(scratch, "bench%d.yaml" % os.getpid())
    with open(path, "w") as mapping:
        mapping.write(MAPPING % {
            "name": "b%d" % os.getpid(), "source": source.url, "target": target.url,
            "kafka": os.environ["KAFKA_BOOTSTRAP"], "partitions": options.partitions, "workers": workers,
            "threads": options.threads, "table": table})
    return path


def command(*words):
    """A verb's own process: [program, words…]."""
    return [os.path.join(BIN, "rowhaul"), *words]


def cleanup(path):
    subprocess.run(command("cleanup", "-c", path, "--yes"), check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def prepared(workload, options, measure):
    """Makes a workload's tables in databases of their own and calls measure(parts, source, …)."""
    fill, table, default_rows = WORKLOADS[workload]
    rows = options.rows or default_rows
    parts = e2e.Parts("bench")
    try:
        source, target = parts.source.database(), parts.target.database()
        fill(source, target, rows)
        source.sql("vacuum analyze")
        source.sql("checkpoint")
        measure(parts, source, target, table, rows)
    finally:
        parts.clean(False)


def options_of(doc, argv, workers=(1, 2, 3)):
    """The options that all measurements take, and the workloads that were named."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("workloads", nargs="*", help="narrow, crm (default: both)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=0, help="default: 2,000,000 narrow, 200,000 clients")
    parser.add_argument("--workers", type=int, nargs="+", default=list(workers))
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args(argv)
    options.workloads = ["crm clients" if name == "crm" else name for name in options.workloads]
    options.workloads = options.workloads or list(WORKLOADS)
    return options
