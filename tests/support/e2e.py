"""e2e -- what the end-to-end tests share: databases, rowhaul's programs, faults, comparisons.

In:     the environment of .local/env and ROWHAUL_BIN, as tests/run sets them. ROWHAUL_PARTS may name
        another folder with the local parts (its deploy/local and .local/env), for tests that kill servers
        which others use at the same time.
Out:    a test.py that ends with main(test, ...) is a whole test: exit 0 or 1, and a story on stdout.
Never:  shares code with rowhaul, so that what it finds equal does not rest on what it checks.

    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
    from e2e import check_equal, main
    from migration import Migration

    def a_row_arrives(parts):
        source, target = parts.source.database(), parts.target.database()
        source.sql("create table t (id int primary key); insert into t values (1)")
        target.sql("create table t (id int primary key)")
        Migration(parts, source, target, "[{from: public.t, to: [{table: public.t}]}]").finish()
        check_equal(target.sql("select id from t"), [("1",)], "rows")

    main(a_row_arrives)

A test takes one argument, the Parts, and leaves nothing behind: its processes are killed, its databases
and topics dropped, its scratch folder removed (kept, and named, when it failed).
"""

import atexit
import csv
import inspect
import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

from kafka_admin import KafkaAdmin

CHECKOUT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PARTS_FOLDER = os.environ.get("ROWHAUL_PARTS", CHECKOUT)
ENV_FILE = os.path.join(PARTS_FOLDER, ".local", "env")
SCRATCH = os.path.join(CHECKOUT, "build", "e2e")
LOG_TAIL_LINES = 40
SKIPPED = 77  # SKIP_RETURN_CODE in tests/CMakeLists.txt
SQL_TIMEOUT_S = 300  # a statement that hangs must not outlive ctest's own limit without a word


class Failure(Exception):
    """A check that did not hold, or something that did not happen in time."""


class Skip(Exception):
    """The test cannot be made here; the text says why. With nothing else to run, the program ends with 77."""


# --- checks -------------------------------------------------------------------------------------------


def check(condition, message):
    if not condition:
        raise Failure(message)


def _shown(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, set, frozenset)) and len(value) > 1:
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return "\n".join(repr(item) for item in items)
    return repr(value)


def check_equal(actual, expected, message):
    """Fails with both sides, each item of a list on its own line."""
    if actual != expected:
        raise Failure(
            "%s\n--- expected\n%s\n--- actual\n%s" % (message, _shown(expected), _shown(actual))
        )


def wait_until(predicate, timeout, what, interval=0.1):
    """Waits until predicate() is true and returns what it gave; `what` completes "timed out waiting for"."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure("timed out after %g s waiting for %s" % (timeout, what))
        time.sleep(interval)


# --- databases ----------------------------------------------------------------------------------------


def _psql_environment():
    """The caller's PGHOST, PGOPTIONS and so on are about other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _psql_command(url, *options):
    return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, _without_password(url)]


def _without_password(url):
    """Everybody may read command lines; the password goes into the environment."""
    parts = urllib.parse.urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urllib.parse.urlunsplit(parts._replace(netloc=user.split(":")[0] + "@" + host if user else host))


def _environment_for(url):
    environment = _psql_environment()
    password = urllib.parse.urlsplit(url).password
    if password:
        environment["PGPASSWORD"] = urllib.parse.unquote(password)
    environment["PGCLIENTENCODING"] = "UTF8"
    return environment


class Database:
    """A database of a local server. One made by Server.database() lives as long as its test."""

    def __init__(self, url):
        self.url = url
        self.name = urllib.parse.urlsplit(url).path.lstrip("/")

    def _psql(self, *options, text=None, timeout=SQL_TIMEOUT_S):
        done = subprocess.run(
            _psql_command(self.url, *options),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment_for(self.url),
            encoding="utf-8",
            timeout=timeout,
        )
        if done.returncode != 0:
            raise SqlError(self.name, done.stderr.strip())
        return done.stdout

    def sql(self, text, timeout=SQL_TIMEOUT_S):
        """Runs statements in one session and returns the rows of all of them: tuples of str, None is NULL.

        Statements are sent one by one, so each is its own transaction unless the text says begin.
        """
        # CSV quotes every value that could be mistaken for the NULL text or a separator; the NULL text is
        # random because CSV readers do not tell "" from a bare empty field.
        null = "null-" + secrets.token_hex(8)
        output = self._psql(
            "-A", "-t", "--csv", "-P", "null=" + null, "-f", "-", text=text, timeout=timeout
        )
        rows = csv.reader(io.StringIO(output, newline=""))
        # A row of one empty column is an empty line, which the reader gives as [].
        return [tuple(None if value == null else value for value in row) or ("",) for row in rows]

    def value(self, text, timeout=SQL_TIMEOUT_S):
        """The one column of the one row that a statement returns."""
        rows = self.sql(text, timeout)
        check(len(rows) == 1 and len(rows[0]) == 1, "expected one value from %s, got %r" % (text, rows))
        return rows[0][0]

    def value_or(self, default, text):
        """The value, or the default while there is none: the server is down, the table not made yet."""
        try:
            return self.value(text)
        except SqlError:
            return default

    def script(self, path, timeout=SQL_TIMEOUT_S):
        """Runs a file as psql does, backslash commands included; stops at its first error."""
        self._psql("-f", os.fspath(path), timeout=timeout)

    def drop(self):
        """Drops the database with whatever is still connected to it, its replication slots first."""
        server = Database(_with_database(self.url, "postgres"))
        name = self.name.replace("'", "''")

        def slots():
            server.sql(
                "select pg_terminate_backend(active_pid) from pg_replication_slots"
                " where database = '%s' and active_pid is not null" % name
            )
            server.sql(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                " where database = '%s' and active_pid is null" % name
            )
            return server.value(
                "select count(*) from pg_replication_slots where database = '%s'" % name
            ) == "0"

        wait_until(slots, 30, "the replication slots of %s to be free" % self.name)
        server.sql('drop database if exists "%s" with (force)' % self.name.replace('"', '""'))


class Session:
    """A session that stays open, for transactions that hold locks meanwhile: with Session(database) as s."""

    def __init__(self, database):
        self.name = database.name
        self.process = subprocess.Popen(
            _psql_command(database.url, "-A", "-t"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment_for(database.url),
            encoding="utf-8",
        )

    def sql(self, text):
        """Runs statements, waits for their end and returns what psql prints, line by line."""
        end = "end-" + secrets.token_hex(8)
        self.process.stdin.write("%s;\n\\echo %s\n" % (text, end))
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == end:
                return lines
            lines.append(line.rstrip("\n"))
        raise SqlError(self.name, "\n".join(lines))  # psql ends at the first error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # the server rolls back what was not committed
        self.process.communicate()


class SqlError(Failure):
    """psql's complaint: the message names the database, `text` is what psql said."""

    def __init__(self, database, text):
        super().__init__('database "%s": %s' % (database, text))
        self.text = text


def _with_database(url, name):
    return urllib.parse.urlunsplit(
        urllib.parse.urlsplit(url)._replace(path="/" + urllib.parse.quote(name, safe=""))
    )


def same_rows(source, source_query, target, target_query):
    """Compares the text of two ordered queries row by row, as COPY prints it; both must have an ORDER BY.

    Streams, so tables may be larger than memory. Returns the number of rows.
    """
    with _copy(source, source_query) as expected, _copy(target, target_query) as actual:
        count = 0
        while True:
            expected_row, actual_row = expected.stdout.readline(), actual.stdout.readline()
            if expected_row != actual_row:
                # A query that failed has ended early: its own complaint says more than the difference.
                for stream, row in ((expected, expected_row), (actual, actual_row)):
                    if not row:
                        stream.check()
                raise Failure(
                    "row %d differs\n--- source: %s\n%s\n--- target: %s\n%s"
                    % (
                        count + 1,
                        source_query,
                        _row_text(expected_row),
                        target_query,
                        _row_text(actual_row),
                    )
                )
            if not expected_row:
                break
            count += 1
        expected.check()
        actual.check()
        return count


def _row_text(line):
    return line.decode("utf-8", "replace").rstrip("\n") if line else "(no more rows)"


class _copy:
    """COPY (query) TO STDOUT of one database, as a stream of lines. In COPY's text format a line is a row."""

    def __init__(self, database, query):
        self.name = database.name
        self.errors = tempfile.TemporaryFile()
        statement = "copy (%s) to stdout" % query.strip().rstrip(";")
        self.process = subprocess.Popen(
            _psql_command(database.url, "-c", statement),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=_environment_for(database.url),
        )
        self.stdout = self.process.stdout

    def check(self):
        if self.process.wait(SQL_TIMEOUT_S) != 0:
            self.errors.seek(0)
            raise SqlError(self.name, self.errors.read().decode("utf-8", "replace").strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.stdout.close()
        self.errors.close()


class Server:
    """One of the two local PostgreSQL servers."""

    def __init__(self, parts, name):
        self.parts = parts
        self.name = name
        self.created = []

    @property
    def url(self):
        return self.parts.environment[self.name.upper() + "_URL"]

    def database(self, options=""):
        """Creates an empty database with a name of its own; dropped after the test."""
        name = "e2e_%s_%s" % (self.parts.test[:30], secrets.token_hex(4))
        Database(_with_database(self.url, "postgres")).sql('create database "%s" %s' % (name, options))
        database = Database(_with_database(self.url, name))
        self.created.append(database)
        return database

    def drop_all(self):
        while self.created:
            self.created.pop().drop()


# --- the local parts ----------------------------------------------------------------------------------


class Parts:
    """The local parts and what belongs to one test: its databases, scratch folder and processes."""

    NAMES = (
        "SOURCE_URL TARGET_URL KAFKA_BOOTSTRAP SOURCE_PGDATA TARGET_PGDATA KAFKA_LOG_DIR"
        " SOURCE_PID TARGET_PID KAFKA_PID"
    ).split()

    def __init__(self, test="test"):
        self.test = re.sub(r"[^a-z0-9]+", "_", test.lower())
        self.environment = {name: os.environ.get(name) for name in self.NAMES}
        missing = [name for name, value in self.environment.items() if not value]
        if not os.environ.get("ROWHAUL_BIN"):
            missing.append("ROWHAUL_BIN")
        if missing:
            raise Failure(
                "not in the environment: %s\n"
                "run the tests with tests/run --e2e, or by hand:\n"
                "    deploy/local/up && . .local/env && export ROWHAUL_BIN=$PWD/build/debug/bin"
                % " ".join(missing)
            )
        os.makedirs(SCRATCH, exist_ok=True)  # in the checkout: tests write nowhere else
        self.scratch = tempfile.mkdtemp(prefix=self.test[:40] + "-", dir=SCRATCH)
        self.source = Server(self, "source")
        self.target = Server(self, "target")
        self.kafka = KafkaAdmin(self.environment["KAFKA_BOOTSTRAP"])
        self.topics_prefix = self.unique()  # of all topics and groups that the test's migrations make
        self.processes = []
        self.migrations = []
        self.steps_at_end = []
        self.disturbed = False

    @property
    def kafka_bootstrap(self):
        return self.environment["KAFKA_BOOTSTRAP"]

    def unique(self, prefix="e2e"):
        """A name that no other test uses: migrations, topic prefixes, groups and slots outlive databases."""
        return "%s_%s" % (prefix, secrets.token_hex(4))

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, text):
        """Writes a file into the scratch folder and returns its path."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def at_end(self, step):
        """A function to call after the test, whatever became of it; the last one given is called first."""
        self.steps_at_end.append(step)

    def server_log(self, part):
        """What a server has said so far; `part` is source, target or kafka."""
        data = self.environment["KAFKA_LOG_DIR" if part == "kafka" else part.upper() + "_PGDATA"]
        return _read(os.path.join(os.path.dirname(data), "server.log"))

    def kill(self, part):
        """SIGKILL for source, target or kafka. It is started again after the test, if not by it."""
        self.disturbed = True
        self._local("kill", part)

    def restart(self, part):
        """Starts source, target or kafka again, after an orderly stop if it runs: same port, same data."""
        self._local("restart", part)
        self.reload()

    def reload(self):
        """Reads .local/env again: restarts change the PIDs there."""
        with open(ENV_FILE, encoding="utf-8") as file:
            for line in file:
                name, _, value = line.strip()[len("export ") :].partition("=")
                if name in self.environment:
                    self.environment[name] = os.environ[name] = value

    def _check_parts(self):
        """Nobody's servers are killed by mistake: those of the environment must be those of the folder."""
        with open(ENV_FILE, encoding="utf-8") as file:
            names = dict(line.strip()[len("export ") :].split("=", 1) for line in file)
        for name in ("SOURCE_PGDATA", "TARGET_PGDATA", "KAFKA_LOG_DIR"):
            check_equal(
                self.environment[name], names.get(name), "%s of the environment and of %s" % (name, ENV_FILE)
            )

    def _local(self, *command):
        self._check_parts()
        # A file, not a pipe: the scripts start servers, which must not keep us waiting for its end.
        with tempfile.TemporaryFile() as output:
            tool = os.path.join(PARTS_FOLDER, "deploy", "local", command[0])
            code = subprocess.call(
                [tool, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            output.seek(0)
            text = output.read().decode("utf-8", "replace").strip()
        check(code == 0, "deploy/local/%s failed: %s" % (" ".join(command), text))

    def clean(self, keep_scratch):
        """Undoes what the test did to the machine. Every step runs; returns what went wrong."""
        problems = []
        for step in (
            self._kill_processes,
            self._mend,
            self._drop_topics,
            *reversed(self.steps_at_end),
            self.source.drop_all,
            self.target.drop_all,
        ):
            try:
                step()
            except Exception as error:  # one step's trouble must not leave the others undone
                problems.append(str(error))
        if not keep_scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
        return problems

    def _kill_processes(self):
        for process in self.processes:
            process.kill_all()

    def _drop_topics(self):
        self.kafka.delete_topics(list(self.kafka.topics(self.topics_prefix)))
        self.kafka.delete_groups(self.kafka.groups(self.topics_prefix))

    def _mend(self):
        if self.disturbed:
            self._local("up")
            self.reload()
            self.disturbed = False


# --- rowhaul's programs -------------------------------------------------------------------------------

_current = None  # the Parts of the running test, for start()


class Process:
    """A running program, with its output in two files of the scratch folder."""

    def __init__(self, parts, argv, environment):
        self.parts = parts
        self.label = "%02d-%s" % (len(parts.processes) + 1, os.path.basename(argv[0]))
        self.stdout_path = parts.path(self.label + ".stdout")
        self.stderr_path = parts.path(self.label + ".stderr")
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            # A session of its own tells which processes are its children, also after its end.
            self.popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(environment or {})},
                cwd=parts.scratch,
                start_new_session=True,
            )
        self.pid = self.popen.pid
        self.argv = argv
        parts.processes.append(self)

    @property
    def stdout(self):
        return _read(self.stdout_path)

    @property
    def stderr(self):
        return _read(self.stderr_path)

    def is_running(self):
        return self.popen.poll() is None

    def wait(self, timeout):
        """Waits for the end and returns the exit code as a shell shows it: 128 + N for signal N."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure("%s did not end within %g s" % (self.label, timeout)) from None
        return code if code >= 0 else 128 - code

    def signal(self, number):
        # poll() first: once the process is reaped its PID may be somebody else's.
        if self.is_running():
            os.kill(self.pid, number)

    def terminate(self, timeout=15):
        """SIGTERM, then the exit code. Programs leave within 10 s of it."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill9(self):
        """SIGKILL for the program alone: what becomes of its children is part of what is tested."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def kill_all(self):
        """SIGKILL for the program and all its children; silent when there are none."""
        # By the session, not the process group: `rowhaul run` gives each child a group of its own. The
        # program goes first, or it would start its children again.
        self.signal(signal.SIGKILL)
        self.popen.wait()
        for pid in self.children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def children(self):
        """The PIDs of the other live processes in the program's session, also after its own end."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == self.pid:
                continue
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            state, session = fields[0], int(fields[3])
            if session == self.pid and state not in "ZX":
                found.append(int(name))
        return found

    def child(self, program, *words):
        """The PID of the child that runs this program with these words among its arguments, or None."""
        for pid in self.children():
            try:
                with open("/proc/%d/cmdline" % pid, encoding="utf-8", errors="replace") as file:
                    argv = file.read().split("\0")
            except OSError:
                continue
            if os.path.basename(argv[0]) == program and all(word in argv for word in words):
                return pid
        return None

    def kill_child(self, program, *words, timeout=30):
        """SIGKILL for a child, as soon as it is there. Returns its PID."""
        what = "the child %s of %s" % (" ".join((program,) + words), self.label)
        pid = wait_until(lambda: self.child(program, *words), timeout, what)
        os.kill(pid, signal.SIGKILL)
        return pid

    def events(self, name=None, **fields):
        """The events so far (needs --log-format json), all or those with this name and these fields."""
        found = []
        for line in self.stderr.splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # still being written
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a sanitizer's report, a crash of a library
            if not isinstance(event, dict) or (name is not None and event.get("event") != name):
                continue
            if all(event.get(key) == value for key, value in fields.items()):
                found.append(event)
        return found

    def wait_event(self, name, timeout, **fields):
        """Waits for an event and returns the first one; fails at once when the program ends before."""

        def seen():
            running = self.is_running()  # before reading, or the last lines would be missed
            found = self.events(name, **fields)
            check(
                found or running,
                "%s ended with %s before the event %s" % (self.label, self.popen.returncode, name),
            )
            return found

        what = name + "".join(" %s=%s" % item for item in fields.items())
        return wait_until(seen, timeout, "the event %s of %s" % (what, self.label))[0]


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def start(program, *arguments, environment=None):
    """Starts a program: rowhaul's by name (from ROWHAUL_BIN), others by path. `environment` adds to ours."""
    check(_current is not None, "start() needs a test that main() runs")
    argv = [os.fspath(argument) for argument in (program, *arguments)]
    if "/" not in argv[0]:
        argv[0] = os.path.join(os.environ["ROWHAUL_BIN"], argv[0])
    check(os.access(argv[0], os.X_OK), "there is no program %s: is it built?" % argv[0])
    return Process(_current, argv, environment)


def run(program, *arguments, timeout=120, environment=None):
    """Starts a program, waits for its end and returns it; .wait(0) then gives the exit code."""
    process = start(program, *arguments, environment=environment)
    process.wait(timeout)
    return process


# --- the runner ---------------------------------------------------------------------------------------


def _tail(path):
    lines = _read(path).splitlines()
    left_out = len(lines) - LOG_TAIL_LINES
    return (["(%d lines before)" % left_out] if left_out > 0 else []) + lines[-LOG_TAIL_LINES:]


def _print_logs(parts):
    for process in parts.processes:
        code = process.popen.poll()
        state = "running" if code is None else "ended with %d" % code
        print("\n--- %s, %s: %s" % (process.label, state, " ".join(process.argv)))
        for path in (process.stdout_path, process.stderr_path):
            for line in _tail(path):
                print("%s | %s" % (path.rpartition(".")[2], line))


def _print_failure(error):
    if isinstance(error, Failure):
        # The line of the test that asked is what the reader wants, not our own frames.
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename != __file__:
                print("  %s:%d: %s" % (os.path.relpath(frame.filename), frame.lineno, frame.line))
                break
        print("  " + str(error).replace("\n", "\n  "))
    else:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)


def _run_one(test):
    global _current
    began = time.monotonic()
    sentence = test.__name__.replace("_", " ")
    failure = skip = None
    parts = None
    try:
        parts = _current = Parts(test.__name__)
        test(*([parts] if inspect.signature(test).parameters else []))
    except Skip as reason:
        skip = reason
    except Exception as error:
        failure = error
    except BaseException:  # Ctrl-C, ctest's SIGTERM: clean up, then leave
        if parts:
            parts.clean(keep_scratch=True)
        raise
    verdict = "FAILED" if failure else "SKIP  " if skip else "ok    "
    print("%s %s (%.1f s)%s" % (verdict, sentence, time.monotonic() - began, ": %s" % skip if skip else ""))
    if failure:
        _print_failure(failure)
    problems = []
    if parts:
        if failure:
            _print_logs(parts)
            print("\nfiles: %s" % parts.scratch)
        problems = parts.clean(keep_scratch=failure is not None)
    for problem in problems:
        print("  could not clean up: %s" % problem)
    _current = None
    sys.stdout.flush()
    if failure or problems:
        return 1
    return SKIPPED if skip else 0


def _kill_what_is_left():
    if _current is not None:
        for process in _current.processes:
            process.kill_all()


def main(*tests):
    """Runs the tests in order and ends the program: 0 when all passed. Arguments choose tests by name.

    77, which ctest shows as skipped, when none failed and none could be made.
    """
    atexit.register(_kill_what_is_left)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [test for test in tests if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]]
    if not chosen:
        sys.exit("no such test; there are: %s" % " ".join(test.__name__ for test in tests))
    results = [_run_one(test) for test in chosen]
    sys.exit(1 if 1 in results else min(results))
