"""backfill -- how fast a fresh backfill through Kafka is, as a ratio to `psql COPY | psql COPY`.

Per round, in turn: the pipe, then rowhaul with each number of workers, into the same empty target table
with the same indexes. Reported are medians over the rounds: rows a second, the ratio to the pipe of the
same round, CPU microseconds a row of each part, and each process's peak resident memory.

What counts as rowhaul's time: from the run's creation until every partition has applied the end barrier,
both as the ledger has them. The whole command's time, topics and all, is beside it.
"""

import glob
import statistics
import subprocess
import sys
import time

from workloads import Cpu, cleanup, command, cpu_seconds, empty, options_of, pipe, prepared, write_mapping


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


def rowhaul(source, target, table, workers, options):
    path = write_mapping(source, target, table, options, workers)
    peaks = {}
    with Cpu() as spent:
        began = time.monotonic()
        run = subprocess.Popen(command("run", "-c", path, "--log-level", "warn"), stdout=subprocess.DEVNULL)
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
    cleanup(path)
    for (program, _), used in cpu.items():
        spent.cpu[program] = spent.cpu.get(program, 0) + used
    return float(seconds), whole, spent.cpu, peaks


def measure(workload, options):
    results = {}

    def rounds(_, source, target, table, rows):
        for _ in range(options.rounds):
            empty(target, table)
            limit = pipe(source, target, table)
            results.setdefault("pipe", []).append((limit, limit, {}, {}, 1.0))
            for workers in options.workers:
                empty(target, table)
                seconds, whole, cpu, peaks = rowhaul(source, target, table, workers, options)
                results.setdefault(workers, []).append((seconds, whole, cpu, peaks, limit / seconds))
        report(workload, rows, results)

    prepared(workload, options, rounds)


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


def main(argv):
    options = options_of(__doc__, argv)
    for workload in options.workloads:
        measure(workload, options)


if __name__ == "__main__":
    main(sys.argv[1:])
