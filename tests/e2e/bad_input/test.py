"""Input that cannot work is refused by one clear line and its own exit code, before anything is touched."""

import os
import re
import secrets
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import Failure, check_equal, main, start
from migration import Migration

NOWHERE = "127.0.0.1:1"
RUN = ("run",)

FILE = """version: 1
name: bad
mode: snapshot
source: {url: "${SOURCE_URL}"}
target: {url: "${TARGET_URL}"}
kafka: {bootstrap.servers: "${KAFKA_BOOTSTRAP}"}
topics: {prefix: PREFIX, allow_unsafe: true, partitions: 2}
tables:
  - from: public.good
    to:
      - table: public.good
"""

SOURCE = """
create table good (id int primary key, name text);
insert into good values (1, 'a');
create table other (id int primary key, name text);
create table taken (id int primary key);
create table keyless (id int, name text);
create table hidden (id int primary key);
alter table hidden enable row level security"""

TARGET = """
create table good (id int primary key, name text);
create table strict (id int primary key, name text, must text not null);
create table taken (id int primary key);
insert into taken values (1);
create table keyless (id int primary key, name text);
create table hidden (id int primary key);
create view good_view as select * from good"""


class Case:
    """A command that must end with this code and say just one thing, which matches `text`.

    edits  pairs of texts: what to replace in FILE, and by what
    at     the place in the file that the line must begin with, by the text there
    """

    def __init__(self, name, code, text, edits=(), at=None, words=RUN, urls=None, file=None):
        self.name = name
        self.code = code
        self.text = text
        self.edits = edits
        self.at = at
        self.words = words
        self.urls = urls or {}
        self.file = file


def table(text):
    """The edit that puts another table into FILE."""
    return [(FILE[FILE.index("  - from:") :], text)]


FILE_CASES = [
    Case(
        "unknown key", 3, r'unknown key "were" in a table.*did you mean "where"',
        table("  - from: public.good\n    were: {id: 1}\n    to: [{table: public.good}]\n"), at="were",
    ),
    Case("unknown section", 3, r'"topcs".*did you mean "topics"', [("topics:", "topcs:")], at="topcs"),
    Case("duplicate key", 3, r'"name"', [("mode:", "name: again\nmode:")], at="name: again"),
    Case("not YAML", 3, r"", [("tables:", "tables: [")], at=None),
    Case("unset variable", 3, r"E2E_NO_SUCH_NAME", [("${SOURCE_URL}", "${E2E_NO_SUCH_NAME}")], at='"${E2E'),
    Case("stream", 3, r"stream.*not in this version", [("mode: snapshot", "mode: stream")], at="stream"),
    Case(
        "missing source table", 3, r'"public\.god".*did you mean "public\.good"',
        [("from: public.good", "from: public.god")], at="public.god\n",
    ),
    Case(
        "missing target table", 3, r'"public\.goood".*did you mean "public\.good"',
        [("table: public.good", "table: public.goood")], at="public.goood",
    ),
    Case(
        "missing source column", 3, r'"nam".*did you mean "name"',
        [("table: public.good", "table: public.good\n        columns: {name: nam}")], at="nam}",
    ),
    Case(
        "missing target column", 3, r'"nmae".*did you mean "name"',
        [("table: public.good", "table: public.good\n        columns: {nmae: name}")], at="nmae",
    ),
    Case(
        "source without a key", 3, r'"public\.keyless".*key',
        [("public.good", "public.keyless")], at="public.keyless",
    ),
    Case(
        "target column without a value", 3, r'"must"',
        [("table: public.good", "table: public.strict")],
    ),
    Case(
        "one target of two tables", 3, r'"public\.good" is written by two outputs',
        table("  - from: public.good\n    to: [{table: public.good}]\n"
              "  - {from: public.other, to: [{table: public.good}]}\n"),
        at="public.good}]}\n",
    ),
    Case(
        "view as target", 3, r'"public\.good_view".*view',
        [("table: public.good", "table: public.good_view")], at="public.good_view",
    ),
]  # fmt: skip

STATE_CASES = [
    Case("target table not empty", 4, r'"public\.taken".*not empty', [("public.good", "public.taken")]),
    Case(
        "one replica", 4, r"replica",
        [("allow_unsafe: true", "allow_unsafe: false, replication_factor: 1")],
    ),
    Case("source away", 7, re.escape(NOWHERE), urls={"SOURCE_URL": "postgresql://u@%s/x" % NOWHERE}),
    Case("target away", 8, re.escape(NOWHERE), urls={"TARGET_URL": "postgresql://u@%s/x" % NOWHERE}),
    Case("Kafka away", 9, re.escape(NOWHERE), urls={"KAFKA_BOOTSTRAP": NOWHERE}),
]  # fmt: skip

USAGE_CASES = [
    Case("no such file", 2, r"/nonesuch\.yaml", file="/nonesuch.yaml"),
    Case("caught-up without a stream", 2, r"caught-up.*snapshot", words=("run", "--until", "caught-up")),
    Case("unknown step", 2, r'"backfiled"', words=("run", "--until", "backfiled")),
    Case("unknown option", 2, r'"--untill".*did you mean "--until"', words=("run", "--untill", "backfilled")),
    Case("unknown verb", 2, r'"rnu".*did you mean "run"', words=("rnu",)),
    Case("option twice", 2, r"--until.*twice", words=("run", "--until", "verified", "--until", "verified")),
]


def place(path, text, needle):
    before = text[: text.index(needle)]
    return "%s:%d:%d: " % (path, before.count("\n") + 1, len(before) - before.rfind("\n"))


def what_is_said(process):
    """The errors, each with its hint. A complaint about the file is printed for people too: it counts once."""
    errors = [
        "%s: %s (%s)" % (event.get("code"), event["error"], event.get("hint"))
        for event in process.events(level="error")
    ]
    usage = [line for line in process.stderr.splitlines() if line.startswith("rowhaul: ")]
    complaints = [line for line in process.stderr.splitlines() if re.search(": error RH-[0-9]+: ", line)]
    if len(complaints) > len(errors):
        raise Failure("more complaints than errors:\n" + process.stderr)
    return errors + usage


class Bench:
    """The two databases that the cases share, and what they looked like at first."""

    def __init__(self, parts):
        self.parts = parts
        self.source, self.target = parts.source.database(), parts.target.database()
        self.source.sql(SOURCE)
        self.target.sql(TARGET)
        self.urls = {
            "SOURCE_URL": self.source.url,
            "TARGET_URL": self.target.url,
            "KAFKA_BOOTSTRAP": parts.kafka_bootstrap,
        }
        self.before = self.state()

    def state(self):
        return [
            database.sql(
                "select nspname, relname, relkind, pg_relation_filenode(c.oid), pg_relation_size(c.oid)"
                "  from pg_class c join pg_namespace n on n.oid = relnamespace"
                " where nspname !~ '^pg_|^information_schema$' order by 1, 2;"
                "select nspname from pg_namespace where nspname !~ '^pg_' order by 1;"
                "select slot_name from pg_replication_slots where database = current_database();"
                "select pubname from pg_publication"
            )
            for database in (self.source, self.target)
        ]

    def try_case(self, case):
        text = FILE.replace("PREFIX", self.parts.topics_prefix)
        for old, new in case.edits:
            assert old.replace("PREFIX", self.parts.topics_prefix) in text, case.name
            text = text.replace(old, new)
        path = case.file or self.parts.write(re.sub(r"\W+", "-", case.name) + ".yaml", text)
        process = start(
            "rowhaul", *case.words, "-c", path, "--log-format", "json", environment={**self.urls, **case.urls}
        )
        check_equal(process.wait(60), case.code, "exit code")
        pattern = case.text
        if case.code == 3:
            where = re.escape(place(path, text, case.at)) if case.at else re.escape(path) + r":\d+:\d+: "
            pattern = where + ".*" + pattern
        said = what_is_said(process)
        if len(said) != 1 or not re.search(pattern, said[0], re.DOTALL):
            raise Failure(
                "just one error that matches %s is expected, not\n%s"
                % (pattern, "\n".join(said) or "(nothing)")
            )
        complaints = len(re.findall(": error RH-[0-9]+: ", process.stderr))
        if complaints > 1:
            raise Failure("one mistake has %d complaints:\n%s" % (complaints, process.stderr))
        self.check_untouched()

    def check_untouched(self):
        check_equal(self.state(), self.before, "what stands in the two databases")
        check_equal(self.parts.kafka.topics(self.parts.topics_prefix), {}, "topics")

    def try_all(self, cases):
        """All of them, so that one failure does not hide the others."""
        failures = []
        for case in cases:
            try:
                self.try_case(case)
            except Failure as failure:
                failures.append("%s: %s" % (case.name, failure))
        if failures:
            raise Failure("%d of %d cases\n%s" % (len(failures), len(cases), "\n".join(failures)))


def files_that_cannot_work_are_refused_at_their_line(parts):
    Bench(parts).try_all(FILE_CASES)


def systems_in_a_state_that_cannot_work_are_refused(parts):
    Bench(parts).try_all(STATE_CASES)


def command_lines_that_make_no_sense_are_refused(parts):
    Bench(parts).try_all(USAGE_CASES)


def make_role(parts, database, grants=""):
    """A role without privileges of its own, with a password; $role in `grants` is its name."""
    name = parts.unique("e2e_role")
    database.sql("create role %s login password 'right'; %s" % (name, grants.replace("$role", name)))
    parts.at_end(lambda: database.sql("drop owned by %s; drop role %s" % (name, name)))
    return name


def with_login(url, name, password):
    split = urllib.parse.urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit(split._replace(netloc="%s:%s@%s" % (name, password, host)))


def rows_that_row_security_would_hide_stop_the_run_before_it_begins(parts):
    bench = Bench(parts)
    role = make_role(
        parts, bench.source, "grant usage on schema public to $role; grant select on hidden to $role"
    )
    bench.before = bench.state()
    bench.try_all(
        [
            Case(
                "hidden rows", 4, r'row security.*"public\.hidden"', [("public.good", "public.hidden")],
                urls={"SOURCE_URL": with_login(bench.source.url, role, "right")},
            )
        ]
    )  # fmt: skip


def missing_privileges_are_named_with_the_sql_that_grants_them(parts):
    bench = Bench(parts)
    database = bench.target.url.rsplit("/", 1)[1]
    reader = make_role(parts, bench.source)
    bench.target.sql("revoke create on database %s from public" % database)
    writes = "grant select, insert, update on good to $role"
    creator = make_role(parts, bench.target, writes)
    writer = make_role(parts, bench.target, "grant create on database %s to $role" % database)
    frozen = make_role(
        parts, bench.target,
        writes + "; grant create on database %s to $role; alter role $role set default_transaction_read_only = on" % database,
    )  # fmt: skip
    bench.before = bench.state()

    def case(name, part, role, code, text):
        url = with_login(getattr(bench, part).url, role, "right")
        return Case(name, code, text.replace("$role", role), urls={part.upper() + "_URL": url})

    bench.try_all(
        [
            case(
                "no SELECT", "source", reader, 4,
                r'RH-4102: .*role $role cannot read source table "public\.good".*'
                r'\(GRANT USAGE ON SCHEMA "public" TO $role; GRANT SELECT ON "public"\."good" TO $role\)',
            ),
            case(
                "no CREATE", "target", creator, 4,
                r"RH-4105: .*role $role cannot create .*\(GRANT CREATE ON DATABASE %s TO $role;" % database,
            ),
            case(
                "no INSERT", "target", writer, 4,
                r'RH-4104: .*role $role cannot read and write target table "public\.good".*'
                r'GRANT SELECT, INSERT, UPDATE ON "public"\."good" TO $role\)',
            ),
            case(
                "read-only", "target", frozen, 8,
                r"RH-5001: .*session is read-only \(target\.url has to name the primary",
            ),
        ]
    )  # fmt: skip


def a_password_that_tears_the_url_is_not_shown(parts):
    bench = Bench(parts)
    for secret in ("hun/ter2", "hun@ter2"):
        torn = with_login(bench.source.url, "someone", secret)
        bench.try_all([Case("torn password", 3, r"source\.url is not a connection string.*%40", urls={"SOURCE_URL": torn})])
        for process in parts.processes:
            if "ter2" in process.stderr + process.stdout:
                raise Failure("%s shows the password" % process.label)


def a_wrong_password_is_tried_once(parts):
    bench = Bench(parts)
    for part, code in (("source", 7), ("target", 8)):
        variable = part.upper() + "_URL"
        role = make_role(parts, getattr(bench, part))
        secret = secrets.token_hex(8)
        wrong = with_login(bench.urls[variable], role, secret)
        bench.try_all([Case("wrong password of the " + part, code, "password", urls={variable: wrong})])
        failure = 'password authentication failed for user "%s"' % role
        check_equal(parts.server_log(part).count(failure), 1, "attempts in the log of the " + part)
        for process in parts.processes:
            if secret in process.stderr + process.stdout:
                raise Failure("%s shows the password" % process.label)


def another_mapping_under_a_finished_run_is_refused(parts):
    source, target = parts.source.database(), parts.target.database()
    source.sql("create table good (id int primary key, name text); insert into good values (1, 'a')")
    target.sql("create table good (id int primary key, name text, more text)")
    migration = Migration(parts, source, target, "- {from: public.good, to: [{table: public.good}]}")
    migration.finish()
    rows, topics = target.sql("select ctid, xmin, * from good"), parts.kafka.topics(parts.topics_prefix)
    for name, tables in (
        ("transform", "- {from: public.good, to: [{table: public.good, columns: {more: {const: x}}}]}"),
        ("source", "- {from: public.good, where: {id: 1}, to: [{table: public.good}]}"),
    ):
        for verb in ("run", "work", "verify"):
            other = migration.call(verb, file=migration.write(name + ".yaml", tables=tables))
            check_equal(other.wait(0), 13, "exit code of rowhaul %s with another %s" % (verb, name))
            check_equal(len(other.events(code="MAPPING_CHANGED")), 1, "events with the code MAPPING_CHANGED")
    check_equal(target.sql("select ctid, xmin, * from good"), rows, "rows of the target")
    check_equal(parts.kafka.topics(parts.topics_prefix), topics, "topics")
    migration.finish()


main(
    files_that_cannot_work_are_refused_at_their_line,
    systems_in_a_state_that_cannot_work_are_refused,
    command_lines_that_make_no_sense_are_refused,
    rows_that_row_security_would_hide_stop_the_run_before_it_begins,
    missing_privileges_are_named_with_the_sql_that_grants_them,
    a_password_that_tears_the_url_is_not_shown,
    a_wrong_password_is_tried_once,
    another_mapping_under_a_finished_run_is_refused,
)
