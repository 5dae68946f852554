"""again -- what is done to rows that are there already: a replay of unchanged rows, and verification.

Per round, in turn: the pipe into the empty table; after one run with rowhaul, and with its workers alive,
`rowhaul replay` of all partitions, compared with the pipe; `rowhaul verify --mode checksum`, compared with
one scan by the source's own statement on the source alone. Reported are medians over the rounds.

A replay's time is from its first partition's beginning to its last one's end, as rowhaul.requests has them.
"""

import re
import statistics
import subprocess
import sys
import time

from workloads import cleanup, command, e2e, empty, options_of, pipe, prepared, write_mapping

REPLAYED = """
select extract(epoch from max(ended_at) - min(begun_at)), sum(keys), sum(applied)
  from rowhaul.requests where request > %d"""


def timed(words):
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def replay(target, path, table, rows):
    (last,), = target.sql("select coalesce(max(request), 0) from rowhaul.requests")
    timed(command("replay", "-c", path, "--table", table))
    (seconds, keys, applied), = target.sql(REPLAYED % int(last))
    if (int(keys), int(applied)) != (rows, 0):
        sys.exit("a replay of %d unchanged rows saw %s and changed %s" % (rows, keys, applied))
    return float(seconds)


def scan_of_verify(parts, source, path):
    """The statement with which verify sums the source's rows, from the server's log."""
    name = source.value("select current_database()")
    source.sql("alter database \"%s\" set log_min_duration_statement = 0" % name)
    mark = len(parts.server_log("source"))
    timed(command("verify", "-c", path, "--mode", "checksum", "-q"))
    source.sql("alter database \"%s\" reset log_min_duration_statement" % name)
    found = re.search(r"statement: (SELECT [^;]*?hash[^;]*?GROUP BY[^\n]*)", parts.server_log("source")[mark:])
    if found is None:
        sys.exit("verify's scan is not in the source's log")
    return found.group(1)


def measure(workload, options):
    def rounds(parts, source, target, table, rows):
        figures = {"pipe": [], "replay": [], "replay ratio": [], "scan": [], "verify": [], "verify ratio": []}
        limits = []
        for _ in range(options.rounds):
            empty(target, table)
            limits.append(pipe(source, target, table))
        empty(target, table)
        workers = options.workers[0]
        path = write_mapping(source, target, table, options, workers)
        timed(command("run", "-c", path, "--log-level", "warn", "-q"))
        target.sql("vacuum analyze")
        alive = [subprocess.Popen(command("work", "-c", path, "--log-level", "warn")) for _ in range(workers)]
        try:
            e2e.wait_until(lambda: target.value("select count(distinct owner) from rowhaul.offsets") == str(workers)
                       and all("worker" not in o for o, in target.sql("select owner from rowhaul.offsets")),
                       30, "the workers to share the partitions")
            statement = scan_of_verify(parts, source, path)
            for limit in limits:
                seconds = replay(target, path, table, rows)
                figures["pipe"].append(limit)
                figures["replay"].append(seconds)
                figures["replay ratio"].append(limit / seconds)
                began = time.monotonic()
                source.sql(statement)
                scan = time.monotonic() - began
                whole = timed(command("verify", "-c", path, "--mode", "checksum", "-q"))
                figures["scan"].append(scan)
                figures["verify"].append(whole)
                figures["verify ratio"].append(scan / whole)
        finally:
            for process in alive:
                process.terminate()
                process.wait()
        cleanup(path)
        report(workload, rows, workers, figures)

    prepared(workload, options, rounds)


def report(workload, rows, workers, figures):
    median = {name: statistics.median(values) for name, values in figures.items()}
    print("\n%s, %s rows, median of %d" % (workload, format(rows, ","), len(figures["pipe"])))
    print("\n| | seconds | rows/s | ratio |\n|---|---|---|---|")
    for name, key, ratio in (("`COPY \\| COPY`", "pipe", 1), ("replay of unchanged rows, %d workers" % workers,
                             "replay", median["replay ratio"]), ("one scan of one server", "scan", 1),
                             ("verify, both servers", "verify", median["verify ratio"])):
        print("| %s | %.1f | %s | %.2f |" % (name, median[key], format(round(rows / median[key]), ","), ratio))
    sys.stdout.flush()


def main(argv):
    options = options_of(__doc__, argv, workers=[2])
    for workload in options.workloads:
        measure(workload, options)


if __name__ == "__main__":
    main(sys.argv[1:])
