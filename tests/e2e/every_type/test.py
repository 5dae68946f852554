"""Every type that PostgreSQL 15 has arrives bit for bit, as a value and as a key, and verify sees each bit."""

import itertools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from image import Images
from literals import ARRAYS, COMPOSITE_KEYS, FAMILIES, KEYS, NOT_WRITABLE, REFUSED_KEYS, TWINS, Sql
from migration import Migration

TYPES_SQL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "types.sql")
VERIFY_MODES = ("checksum", "rows")
AT_ONCE = 32  # verifications: each waits for seconds before it calls a difference one


# --- tables -------------------------------------------------------------------------------------------


def literal(text):
    if isinstance(text, Sql):
        return text
    return "E'%s'" % text.replace("\\", "\\\\").replace("'", "''")


def array_of(kind):
    base, collate, collation = kind.partition(" collate ")
    return base + "[]" + collate + collation


class Family:
    """A table with a column c<i> of each type, a<i> of its arrays, and `whole`, the composite of all c<i>.

    Row 0 is all NULL. Enough others for each column to be changed in a row of its own.
    """

    def __init__(self, name, types, arrays=True):
        self.name, self.types = name, types
        self.singles = ["c%d" % i for i in range(len(types))]
        self.arrays = ["a%d" % i for i in range(len(types))] if arrays else []
        self.columns = self.singles + self.arrays + ["whole"]
        self.rows = max([len(self.columns) + 1] + [len(literals) for _, literals in types])

    def ddl(self):
        singles = ["c%d %s" % (i, kind) for i, (kind, _) in enumerate(self.types)]
        arrays = ["a%d %s" % (i, array_of(kind)) for i, (kind, _) in enumerate(self.types) if self.arrays]
        return "create type whole_%s as (%s);\ncreate table %s (%s);\n" % (
            self.name,
            ", ".join(singles),
            self.name,
            ", ".join(["id int primary key"] + singles + arrays + ["whole whole_" + self.name]),
        )

    def fill(self):
        rows = []
        for row in range(1, self.rows + 1):
            values = [literal(texts[(row + i) % len(texts)]) for i, (_, texts) in enumerate(self.types)]
            rows.append("(%d, %s)" % (row, ", ".join(values)))
        insert = "insert into %s (id, %s) values\n%s;\n" % (self.name, ", ".join(self.singles), ",\n".join(rows))
        sets = ["whole = row(%s)::whole_%s" % (", ".join("a." + name for name in self.singles), self.name)]
        for i, (kind, _) in enumerate(self.types if self.arrays else []):
            # Plain; from another lower bound; of two dimensions with NULL; empty.
            kind = array_of(kind).partition(" collate ")[0]
            sets.append(
                "a{0} = case a.id % 4 when 0 then array[a.c{0}, b.c{0}]"
                " when 1 then ('[-3:-2]=' || array[b.c{0}, a.c{0}]::text)::{1}"
                " when 2 then array[array[a.c{0}, null], array[b.c{0}, a.c{0}]]::{1}"
                " else '{{}}' end".format(i, kind)
            )
        update = "update %s t set %s from %s a, %s b where a.id = t.id and b.id = a.id %% %d + 1;\n" % (
            self.name, ",\n".join(sets), self.name, self.name, self.rows
        )  # fmt: skip
        return insert + update + "insert into %s (id) values (0);\n" % self.name

    def change(self):
        """SQL that puts into each column, each in a row of its own, the value of the row behind."""
        return "".join(
            "update %s set %s = (select %s from %s where id = %d) where id = %d;\n"
            % (self.name, column, column, self.name, row + 1, row)
            for row, column in self.changed().items()
        )

    def changed(self):
        return dict(enumerate(self.columns, 1))


def families():
    made = [Family(name, types) for name, types in FAMILIES.items()]
    return made + [Family("arrays", ARRAYS, arrays=False)]


def databases(parts):
    source, target = parts.source.database(), parts.target.database()
    make_types(source)
    make_types(target)
    return source, target


def make_types(database):
    database.script(TYPES_SQL)
    database.sql('create table "Моя Схема"."Referred To" (id int)')


# What a database or role may have set, and every session of rowhaul must undo.
HOSTILE = {
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "TimeZone": "'Asia/Kathmandu'",
    "extra_float_digits": "-15",
    "bytea_output": "'escape'",
    "xmloption": "'document'",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "transform_null_equals": "on",
    "client_encoding": "'LATIN1'",
    "search_path": "\"Моя Схема\", public",
}


def set_hostile(*databases):
    for database in databases:
        database.sql("".join('alter database "%s" set %s = %s;' % (database.name, *each) for each in HOSTILE.items()))


def reset(*databases):
    for database in databases:
        database.sql('alter database "%s" reset all' % database.name)


def mapping_of(names):
    return "\n".join("  - {from: public.%s, to: [{table: public.%s}]}" % (name, name) for name in names)


# --- verify -------------------------------------------------------------------------------------------


def verified(migration, tables, code):
    """{(table, mode): its report}; each table is verified by itself, so that the waits overlap."""
    reports, todo = {}, [(table, mode) for table in tables for mode in VERIFY_MODES]
    while todo:
        now, todo = todo[:AT_ONCE], todo[AT_ONCE:]
        running = [
            migration.start("rowhaul", "verify", "--table", table, "--mode", mode, "--format", "json")
            for table, mode in now
        ]
        for (table, mode), process in zip(now, running):
            check_equal(process.wait(60), code, "exit code of verify of %s by %s" % (table, mode))
            reports[table, mode] = json.loads(process.stdout)["tables"][0]
    return reports


def check_each_change_is_found(migration, changed, key_of=lambda table, row: [str(row)]):
    """changed: {table: {row: column}}, made on the target. Each is found by itself, and nothing else."""
    for (table, mode), report in verified(migration, changed, code=5).items():
        found = {
            tuple(difference["source_key"]): (difference["kind"], [c["name"] for c in difference["columns"]])
            for difference in report["differences"]
        }
        expected = {tuple(key_of(table, row)): ("different", [column]) for row, column in changed[table].items()}
        check_equal(
            sorted(found.items()),
            sorted(expected.items()),
            "differences of %s that verify finds by %s" % (table, mode),
        )
        for difference in report["differences"]:
            column = difference["columns"][0]
            check(column["expected"] != column["actual"], "equal texts are called different: %r" % column)


# --- values -------------------------------------------------------------------------------------------

COMPLETE = """
select t.typname from pg_type t
 where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm')
   and not exists (select from pg_type e where e.typarray = t.oid)"""


def check_no_type_is_left_out(source):
    """All of pg_catalog, arrays aside: each has one, and there is a column of it."""
    covered = source.sql(
        "select distinct t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid"
        " where a.attrelid in (%s)" % ", ".join("'%s'::regclass" % name for name in FAMILIES)
    )
    check_equal(
        sorted({name for name, in source.sql(COMPLETE)} - {name for name, in covered}),
        sorted(NOT_WRITABLE),
        "types without a column here (actual), and those that cannot be written",
    )


def check_same_images(source, target, tables, order):
    expected, actual = (Images(database).rows(tables, order) for database in (source, target))
    check_equal(sorted(actual), sorted(expected), "rows")
    for row, image in expected.items():
        check_equal(actual[row], image, "binary image of row %s" % (row,))


def check_same_values(source, target, tables):
    for family in tables:
        query = "select * from %s order by id" % family.name
        check_equal(same_rows(source, query, target, query), family.rows + 1, "rows of %s compared" % family.name)
    check_same_images(source, target, [family.name for family in tables if family.name != "text_only"], "id")


def values_of_every_type_arrive_bit_for_bit_and_each_changed_one_is_found(parts):
    source, target = databases(parts)
    tables = families()
    for family in tables:
        source.sql(family.ddl() + family.fill())
        target.sql(family.ddl())
    check_no_type_is_left_out(source)
    names = [family.name for family in tables]
    migration = Migration(parts, source, target, mapping_of(names), topics={"partitions": 2}, backfill={"page": 7})
    set_hostile(source, target)
    migration.finish()
    for mode in VERIFY_MODES:
        check_equal(migration.json("verify", "--mode", mode)["verdict"], "equal", "verdict of verify by " + mode)
    reset(source, target)
    migration.check_ledger()
    check_same_values(source, target, tables)

    for family in tables:
        target.sql(family.change())
    check_images_see_each_change(source, target, tables)
    set_hostile(source, target)
    check_each_change_is_found(migration, {family.name: family.changed() for family in tables})
    check_the_way_of_upserts(parts, source, tables)


def check_images_see_each_change(source, target, tables):
    """That is what the test itself rests on: the changes are some, and the second comparison is not blind."""
    names = [family.name for family in tables if family.name != "text_only"]
    expected, actual = (Images(database).rows(names, "id") for database in (source, target))
    different = sorted(row for row in expected if expected[row] != actual[row])
    changed = [(family.name, str(row)) for family in tables if family.name in names for row in family.changed()]
    check_equal(different, sorted(changed), "rows whose images differ after each column was changed")


def check_the_way_of_upserts(parts, source, tables):
    """A row that the target refuses makes its batch be written row by row, through staging tables."""
    target = parts.target.database()
    make_types(target)
    for family in tables:
        target.sql(family.ddl() + "alter table %s add constraint not_this_row check (id >= 0)" % family.name)
        source.sql("insert into %s (id) values (-1)" % family.name)
    names = [family.name for family in tables]
    migration = Migration(
        parts, source, target, mapping_of(names), topics={"partitions": 1}, apply={"max_error_rate": "100%"}
    )
    set_hostile(target)
    migration.finish(code=1)
    reset(source, target)
    for family in tables:
        source.sql("delete from %s where id = -1" % family.name)
    check_same_values(source, target, tables)


def twins_that_sql_calls_equal_are_told_apart(parts):
    source, target = databases(parts)
    columns = ["c%d" % i for i in range(len(TWINS))]
    # 1.0 and 1.00 are one key, so the row is found; and not one value, so that is said.
    ddl = "create table notations (k numeric primary key, v int);"
    ddl += "create table twins (id int primary key, %s);" % ", ".join(
        "%s %s" % (column, kind) for column, (kind, _, _) in zip(columns, TWINS)
    )
    source.sql(ddl)
    target.sql(ddl)
    source.sql(
        "".join(
            "insert into twins (id, %s) values (%d, %s);" % (column, row, literal(one))
            for row, (column, (_, one, _)) in enumerate(zip(columns, TWINS))
        )
    )
    source.sql(
        "insert into notations"
        " select (i || '.' || repeat('0', i % 5 + 1))::numeric, i from generate_series(1, 40) i"
    )
    migration = Migration(parts, source, target, mapping_of(["twins", "notations"]), backfill={"page": 7})
    migration.finish()
    query = "select * from twins order by id"
    check_equal(same_rows(source, query, target, query), len(TWINS), "rows compared")
    check_same_images(source, target, ["twins"], "id")
    check_same_images(source, target, ["notations"], "v")
    target.sql(
        "".join(
            "update twins set %s = %s where id = %d;" % (column, "null" if other is None else literal(other), row)
            for row, (column, (_, _, other)) in enumerate(zip(columns, TWINS))
        )
    )
    target.sql("update notations set k = 7.0 where k = 7")
    check_each_change_is_found(migration, {"twins": dict(enumerate(columns)), "notations": {7: "k"}})


# --- keys ---------------------------------------------------------------------------------------------


class Keyed:
    """A table with a primary key of these types and a value."""

    def __init__(self, number, kinds):
        self.name = "key_%d" % number
        self.kinds = kinds
        self.columns = ["k%d" % i for i in range(len(kinds))]
        self.ddl = "create table %s (%s, v int, primary key (%s));" % (
            self.name,
            ", ".join("%s %s" % pair for pair in zip(self.columns, kinds)),
            ", ".join(self.columns),
        )

    def fill(self):
        """A key of one column has all values; of several, few in front, so that those behind decide."""
        lists = [KEYS[kind] for kind in self.kinds]
        if len(lists) > 1:
            lists = [values[:: len(values) // 3 or 1][:3] for values in lists[:-1]] + [lists[-1][:12]]
        keys = list(itertools.product(*lists))
        rows = ["(%s, %d)" % (", ".join(map(literal, key)), number) for number, key in enumerate(keys)]
        self.rows = len(rows)
        return self.ddl + "insert into %s values %s;" % (self.name, ", ".join(rows))


def keyed_tables():
    kinds = [(kind,) for kind in KEYS] + COMPOSITE_KEYS
    return [Keyed(number, each) for number, each in enumerate(kinds)]


def keys_of_every_type_page_and_are_found(parts):
    source, target = databases(parts)
    tables = keyed_tables()
    source.sql("".join(table.fill() for table in tables))
    target.sql("".join(table.ddl for table in tables))
    mapping = mapping_of(table.name for table in tables)
    migration = Migration(parts, source, target, mapping, topics={"partitions": 2}, backfill={"page": 7})
    migration.finish()
    migration.check_ledger()
    check_equal(
        dict(migration.ledger("select table_id, rows_read from rowhaul.progress where run = $run")),
        {table.name: str(table.rows) for table in tables},
        "rows that the pages have read",
    )
    query = " union all ".join("select '%s', t.v, t::text from %s t" % (table.name, table.name) for table in tables)
    query += " order by 1, 2"
    check_equal(same_rows(source, query, target, query), sum(table.rows for table in tables), "rows compared")
    check_same_images(source, target, [table.name for table in tables], "v")
    for mode in VERIFY_MODES:
        check_equal(migration.json("verify", "--mode", mode)["verdict"], "equal", "verdict of verify by " + mode)

    # One row each is changed, and the one that is found must be called by its key.
    target.sql("".join("update %s set v = -1 where v = %d;" % (table.name, table.rows // 2) for table in tables))
    changed = {table.name: {table.rows // 2: "v"} for table in tables}
    keys = shown_keys(source, tables)
    check_each_change_is_found(migration, changed, key_of=lambda table, row: keys[table])


def shown_keys(source, tables):
    """{table: texts of its changed row's key, in canonical form}."""
    kinds = dict(
        source.sql(
            "select a.attrelid::regclass || '.' || a.attname, coalesce(b.typname, t.typname)"
            "  from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = t.typbasetype"
            " where a.attnum > 0 and a.attrelid::regclass::text like 'key%' and a.attname like 'k%'"
        )
    )
    canonical = {"numeric": "trim_scale(%s)::text", "bpchar": "rtrim(format('%%s', %s), ' ')"}
    queries = []
    for table in tables:
        texts = [
            canonical.get(kinds["%s.%s" % (table.name, column)], "format('%%s', %s)") % column
            for column in table.columns
        ]
        # In hexadecimal, since psql's output has its own ideas about ends of lines.
        parts = ", ".join("'x' || encode(convert_to(%s, 'UTF8'), 'hex')" % text for text in texts)
        queries.append(
            "select '%s', array_to_string(array[%s], ' ') from %s where v = %d"
            % (table.name, parts, table.name, table.rows // 2)
        )
    return {
        name: [bytes.fromhex(part[1:]).decode() for part in parts.split(" ")]
        for name, parts in source.sql(" union all ".join(queries))
    }


# --- tables -------------------------------------------------------------------------------------------

MB = 1 << 20
LIMIT_BYTES = 3 * MB
NAME = "Ж" * 31 + "Q"  # 63 bytes


def large_values_arrive_and_rows_above_the_limit_are_rejected(parts):
    source, target = parts.source.database(), parts.target.database()
    ddl = "create table large (id int primary key, t text, b bytea, j jsonb, a text[], p polygon)"
    target.sql(ddl)
    source.sql(
        ddl
        + r""";
        insert into large values
            (1, repeat(E'\\\n\tЖ', 200000), null, null, null, null),
            (2, null, decode(repeat('00ff5c0a', 250000), 'hex'), null, null, null),
            (3, null, null, jsonb_build_object('k"', repeat('"\ ', 300000)), null, null),
            (4, null, null, null, array_fill(E'"\\,'::text, array[100000]), null),
            (5, null, null, null, null, polygon(40000, '<(0.1,0.2),3>')),
            -- Doubled by COPY's escapes, and still within the limit as they are.
            (6, repeat(E'\\', %(near)d), null, null, null, null),
            (7, repeat('x', %(near)d), null, null, null, null),
            -- Above it: by one value, by all together, and so far that it is not even read.
            (11, repeat('x', %(limit)d), null, null, null, null),
            (12, repeat('x', %(half)d), null, to_jsonb(repeat('x', %(half)d)), null, null),
            (13, repeat('Ж', %(half)d), decode(repeat('00', %(limit)d), 'hex'), null, null, null);
        insert into large select i, i::text from generate_series(101, 120) i"""
        % {"near": LIMIT_BYTES - 1000, "limit": LIMIT_BYTES, "half": LIMIT_BYTES // 2}
    )
    migration = Migration(
        parts,
        source,
        target,
        mapping_of(["large"]),
        topics={"max_message_bytes": "3MiB", "partitions": 2},
        apply={"max_error_rate": "100%"},
    )
    migration.finish(code=1)
    migration.check_ledger()
    rejects = [
        (reject["source_key"], reject["kind"], reject["rule"])
        for reject in migration.json_lines("rejects", "list")
    ]
    oversize = ["11", "12", "13"]
    check_equal(sorted(rejects), [([key], "dead", "oversize") for key in oversize], "rejects")
    query = "select * from large where id not in (11, 12, 13) order by id"
    check_equal(same_rows(source, query, target, query), 27, "rows compared")
    check_equal(target.value("select count(*) from large"), "27", "rows of the target")
    source.sql("create view small as select * from large where id not in (11, 12, 13)")
    target.sql("create view small as select * from large")
    check_same_images(source, target, ["small"], "id")
    for (_, mode), report in verified(migration, ["large"], code=5).items():
        missing = sorted((d["kind"], d["source_key"], bool(d.get("reject"))) for d in report["differences"])
        check_equal(missing, [("missing", [key], True) for key in oversize], "differences by " + mode)


def generated_and_identity_columns_and_names_arrive(parts):
    source, target = databases(parts)
    ddl = """
        create table made (
            id int generated always as identity primary key, other bigint generated by default as identity,
            n numeric, doubled numeric generated always as (n * 2) stored, t text,
            m "Моя Схема"."Mood", label text generated always as (coalesce(t, '-') || '!') stored);
        create table numbered (k int primary key, serial_no bigint generated always as identity unique, t text);
        create type "%(n)s" as enum ('%(n)s', 'x');
        create table "Моя Схема"."%(n)s" (
            "%(n)s" "%(n)s" primary key, "Id" int, "select" "%(n)s"[], "a ""b" xml)"""
    ddl = ddl % {"n": NAME}
    fill = """;
        insert into made (id, other, n, t, m) overriding system value
        select i * 3, -i, i / 7.0, nullif('t' || i, 't5'), 'ok' from generate_series(-20, 20) i;
        insert into numbered overriding system value select i, 1000 - i, 't' || i from generate_series(1, 30) i;
        insert into "Моя Схема"."%(n)s" values ('%(n)s', 1, '{%(n)s,NULL}', '<a/>'), ('x', 2, '{}', null)"""
    source.sql(ddl + fill % {"n": NAME})
    target.sql(ddl)
    tables = mapping_of(["made", "numbered"])
    tables += "\n  - {id: named, from: Моя Схема.%s, to: [{table: Моя Схема.%s}]}" % (NAME, NAME)
    migration = Migration(parts, source, target, tables, backfill={"page": 7})
    migration.finish()
    migration.check_ledger()
    named = '"Моя Схема"."%s"' % NAME
    for table, order, count in (("made", "id", 41), ("numbered", "k", 30), (named, '"Id"', 2)):
        query = "select * from %s order by %s" % (table, order)
        check_equal(same_rows(source, query, target, query), count, "rows of %s compared" % table)
        check_same_images(source, target, [table], order)
    target.sql(
        "update made set n = 1 where id = 30; update made set other = 77 where id = -30;"
        # An identity column that is GENERATED ALWAYS cannot be updated.
        " delete from numbered where k = 7; insert into numbered overriding system value values (7, 5000, 't7');"
        ' update %s set "select" = null where "Id" = 2' % named
    )
    check_each_change_is_found(
        migration,
        {"made": {30: "n", -30: "other"}, "numbered": {7: "serial_no"}, "named": {"x": "select"}},
    )


# --- what text cannot carry ---------------------------------------------------------------------------


def what_has_no_faithful_text_is_said_or_known(parts):
    """The limits of PostgreSQL's own output and input functions, which pg_dump has as well."""
    source, target = parts.source.database(), parts.target.database()
    ddl = """create table spans (id int primary key, i interval);
        create table documents (id int primary key, x xml)"""
    source.sql(
        ddl
        + r""";
        insert into spans values (1, '-2562047788:00:54.775807'),
            (2, '-2562047788:00:54.775807'::interval - '1 microsecond'::interval);
        insert into documents values
            (1, '<?xml version="1.0" encoding="UTF-8"?><a>Ж</a>'), (2, '<?xml version="1.0"?><a/>')"""
    )
    target.sql(ddl)
    migration = Migration(
        parts, source, target, mapping_of(["spans", "documents"]), apply={"max_error_rate": "100%"}
    )
    migration.finish(code=1)
    # The smallest interval is printed, and not read again.
    rejects = [
        (reject["table"], reject["source_key"], reject["kind"], reject["sqlstate"])
        for reject in migration.json_lines("rejects", "list")
    ]
    check_equal(rejects, [("spans", ["2"], "dead", "22007")], "rejects")
    # xml_out leaves out what a declaration says by default, and the encoding that is no longer true.
    query = "select * from documents order by id"
    check_equal(same_rows(source, query, target, query), 2, "documents compared")
    check_equal(target.sql("select x::text from documents order by id"), [("<a>Ж</a>",), ("<a/>",)], "documents")


def an_object_that_the_target_lacks_stops_the_run(parts):
    """regclass and its like travel as names; a name that means nothing there is a matter of the schema."""
    source, target = parts.source.database(), parts.target.database()
    ddl = "create table t (id int primary key, c regclass)"
    source.sql(ddl + "; create table only_here (id int); insert into t values (1, 'pg_class'), (2, 'only_here')")
    target.sql(ddl)
    migration = Migration(parts, source, target, mapping_of(["t"]))
    done = migration.finish(code=8)
    said = [event for event in done.events("worker_stopped") if event.get("sqlstate") == "42P01"]
    check(said and "public.only_here" in said[0]["error"], "the worker does not say what is missing")
    target.sql("create table public.only_here (id int)")
    migration.finish()
    query = "select * from t order by id"
    check_equal(same_rows(source, query, target, query), 2, "rows compared after the mend")


def another_encoding_of_the_source_changes_nothing(parts):
    source = parts.source.database("encoding 'LATIN1' template template0 locale 'C'")
    target = parts.target.database()
    ddl = """create type mood as enum ('é', 'ü b');
        create table t (k text primary key, e mood, j jsonb, a text[], c char(5), n name, x xml, v tsvector);
        create table u (k mood primary key, b bytea)"""
    source.sql(
        ddl
        + """;
        insert into t select chr(160 + i) || 'ä', (array['é', 'ü b'])[1 + i % 2]::mood, to_jsonb(chr(160 + i)),
            array['é', null, chr(200)], 'ñ', 'ø', '<a>é</a>', 'é'::tsvector from generate_series(1, 90) i;
        insert into u values ('é', '\\xe9'), ('ü b', '\\xff')"""
    )
    target.sql(ddl)
    migration = Migration(parts, source, target, mapping_of(["t", "u"]), backfill={"page": 7})
    migration.finish()
    for query, count in (('select * from t order by k collate "C"', 90), ("select * from u order by k", 2)):
        check_equal(same_rows(source, query, target, query), count, "rows compared")
    for mode in VERIFY_MODES:
        check_equal(migration.json("verify", "--mode", mode)["verdict"], "equal", "verdict of verify by " + mode)


# --- rules --------------------------------------------------------------------------------------------

# Target column, its type, its constant as YAML, and what must stand there, as SQL.
CONSTANTS = [
    ("int8", "-9223372036854775808", "'-9223372036854775808'::int8"),
    ("numeric", "1.500", "1.500"),
    ("float8", '"-0"', "'-0'::float8"),
    ("bool", "yes", "true"),
    ("text", "0012", "'0012'"),
    ("text", '"\\\\.\\n\\t\\\\N"', r"E'\\.\n\t\\N'"),
    ("text", '""', "''"),
    ("text", '"null"', "'null'"),
    ("text", "null", "null"),
    ("char(5)", "ab", "'ab   '"),
    ("bytea", '"\\\\x00ff"', r"'\x00ff'"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ("date", "0044-03-15 BC", "'0044-03-15 BC'"),
    ("timestamptz", "infinity", "'infinity'"),
    ("interval", "1 mon -1 day", "'1 mon -1 day'"),
    ("jsonb", "{n: 12345678901234567890123456789012345678901234567890.10, s: \"it's\", l: [null, true, \"1\"]}",
     """'{"n": 12345678901234567890123456789012345678901234567890.10, "s": "it''s", "l": [null, true, "1"]}'"""),
    ("json", '\'"text"\'', "'\"text\"'"),
    ("text[]", '[a, "b c", null, "null", "", \'q"\\,{}\']', r"""array['a', 'b c', null, 'null', '', 'q"\,{}']"""),
    ("int4[]", "[[1, 2], [3, null]]", "array[[1, 2], [3, null]]"),
    ("int4[]", "[]", "'{}'"),
    ("jsonb[]", "[{a: 1}, [1.00]]", """array['{"a": 1}', '[1.00]']::jsonb[]"""),
    ("int2vector", "1 2 3", "'1 2 3'"),
    ("inet", "10.0.0.1/24", "'10.0.0.1/24'"),
    ("int4range", '"[1,5)"', "'[1,5)'"),
    ("nummultirange", '"{[1.0,2.00]}"', "'{[1.0,2.00]}'"),
    ("point", '"(-0,0.1)"', "'(-0,0.1)'"),
    ("bit(3)", '"101"', "'101'"),
    ('"Моя Схема"."Mood"', 'Very "happy"', "'Very \"happy\"'"),
    ('"Моя Схема"."Mood"[]', '[it\'s, "a,b", null, "NULL"]',
     """array['it''s', 'a,b', null, 'NULL']::"Моя Схема"."Mood"[]"""),
    ('"Моя Схема"."Pair"', '\'(1,"a ""b""")\'', "row(1, 'a \"b\"')"),
    ("mood", "ok", "'ok'"),
    ("price", "1.5", "1.50"),
    ("ints", "[1, 2]", "array[1, 2]"),
    ('"Ext Ensions".hstore', "'\"a\"=>NULL'", "'\"a\"=>NULL'"),
    ('"Ext Ensions".citext', "Bob", "'Bob'"),
    ("xml", "<a/>", "'<a/>'"),
]  # fmt: skip

# Source type, its values, the map and its otherwise as YAML, target type, and the mapped value as SQL of c.
MAPS = [
    ("text", ["", "NULL", "a'b", "other"], '{"": empty, "NULL": word, "a\'b": quote}', "keep", "text",
     "case c when '' then 'empty' when 'NULL' then 'word' when 'a''b' then 'quote' else c end"),
    ("int4", ["-1", "0", "7"], "{-1: minus, 0: zero}", "{const: many}", "varchar(5)",
     "case c when -1 then 'minus' when 0 then 'zero' else 'many' end"),
    ("bool", ["t", "f"], "{true: 1, false: 0}", "reject", "int2", "c::int"),
    ("char(6)", ["ab", "abcdef", ""], '{ab: "1", abcdef: "2", "": "3"}', "reject", "text",
     "case c when 'ab' then '1' when 'abcdef' then '2' else '3' end"),
    ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"],
     "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11: [1, 2]}", "{const: null}", "int4[]",
     "case when c > '1fffffff-0000-0000-0000-000000000000' then array[1, 2] end"),
    ("date", ["infinity", "2000-01-01"], "{infinity: null}", "keep", "date", "nullif(c, 'infinity')"),
    ('"Моя Схема"."Mood"', ["it's", "ok", "NULL", 'Very "happy"'], "{it's: '[1,2)', \"NULL\": empty}",
     '{const: "(,)"}', "int4range", "case c when 'it''s' then '[1,2)' when 'NULL' then 'empty' else '(,)' end::int4range"),
    ("mood", ["Sad", "ok", ""], "{Sad: {a: 1.0}, \"\": [1]}", "{const: null}", "jsonb",
     "case c::text when 'Sad' then '{\"a\": 1.0}' when '' then '[1]' end::jsonb"),
    ('"Very Positive"', ["11", "12"], "{11: meh}", "{const: OK}", '"Моя Схема"."Mood"',
     "case c when 11 then 'meh' else 'OK' end::\"Моя Схема\".\"Mood\""),
]  # fmt: skip

NOT_MAPPABLE = ["numeric", "float8", "timestamptz", "jsonb", "int4[]", '"Ext Ensions".citext', "ints", "bytea"]


def constants_and_maps_of_many_types_arrive(parts):
    source, target = databases(parts)
    target.sql(
        "create table constants (id int primary key, %s)"
        % ", ".join("c%d %s" % (i, kind) for i, (kind, _, _) in enumerate(CONSTANTS))
    )
    source.sql("create table constants (id int primary key); insert into constants values (1), (2)")
    mapping = ["  - from: public.constants", "    to:", "      - table: public.constants", "        columns:"]
    mapping += ["          c%d: {const: %s}" % (i, yaml) for i, (_, yaml, _) in enumerate(CONSTANTS)]
    for number, (kind, values, pairs, otherwise, made, _) in enumerate(MAPS):
        source.sql(
            "create table m%d (id int primary key, c %s); insert into m%d values %s"
            % (number, kind, number, ", ".join("(%d, %s)" % (i, literal(value)) for i, value in enumerate(values)))
        )
        target.sql("create table m%d (id int primary key, c %s)" % (number, made))
        mapping += [
            "  - from: public.m%d" % number,
            "    to:",
            "      - table: public.m%d" % number,
            "        columns:",
            "          c: {map: {from: c, values: %s, otherwise: %s}}" % (pairs, otherwise),
        ]
    migration = Migration(parts, source, target, "\n".join(mapping))
    migration.finish()
    expected = "select %s, id" % ", ".join("(%s)::%s" % (sql, kind) for kind, _, sql in CONSTANTS)
    actual = "select %s, id" % ", ".join("c%d" % i for i in range(len(CONSTANTS)))
    order = " from constants order by id"
    check_equal(same_rows(source, expected + order, target, actual + order), 2, "constants compared")
    for number, (_, values, _, _, made, sql) in enumerate(MAPS):
        query = "select id, %s from m%d order by id"
        count = same_rows(source, query % (sql, number), target, query % ("c", number))
        check_equal(count, len(values), "rows of m%d compared" % number)
    check_equal(migration.json("verify")["verdict"], "equal", "verdict of verify")


def conditions_compare_by_the_type(parts):
    source, target = databases(parts)
    ddl = """create table t (
        id int primary key, m mood, e "Моя Схема"."Mood", n numeric, c char(5), r span, a ints)"""
    source.sql(
        ddl
        + """; insert into t select i, (array['Sad', 'meh', 'ok', null])[1 + i % 4]::mood,
            (array['Sad', 'meh', 'ok'])[1 + i % 3]::"Моя Схема"."Mood", i / 2.0, 'ab', 'empty', '{1,2}'
          from generate_series(0, 99) i"""
    )
    target.sql(ddl)
    where = '{m: {gt: Sad}, e: [ok, meh], n: {gte: 1.50}, c: "ab ", r: empty, a: "{1,2}"}'
    tables = "  - {from: public.t, where: %s, to: [{table: public.t}]}" % where
    migration = Migration(parts, source, target, tables, backfill={"page": 7})
    migration.finish()
    kept = "select * from t where id % 4 in (1, 2) and id % 3 in (1, 2) and id >= 3 order by id"
    count = int(source.value(kept.replace("*", "count(*)").replace(" order by id", "")))
    check_equal(same_rows(source, kept, target, "select * from t order by id"), count, "rows compared")
    for mode in VERIFY_MODES:
        check_equal(migration.json("verify", "--mode", mode)["verdict"], "equal", "verdict of verify by " + mode)



# --- refusals -----------------------------------------------------------------------------------------


def what_a_type_does_not_allow_is_refused(parts):
    source, target = databases(parts)
    unwritable = NOT_WRITABLE + ["gtsvector[]"]
    ddl = ["create table k%d (k %s primary key, v int)" % pair for pair in enumerate(REFUSED_KEYS)]
    ddl += ["create table u%d (id int primary key, u %s)" % pair for pair in enumerate(unwritable)]
    mapped = ["create table m%d (id int primary key, m %s)" % pair for pair in enumerate(NOT_MAPPABLE)]
    source.sql(";".join(ddl + mapped))
    mapped = ["create table m%d (id int primary key, m text)" % number for number in range(len(NOT_MAPPABLE))]
    target.sql(";".join(ddl + mapped))
    tables = mapping_of(["k%d" % i for i in range(len(REFUSED_KEYS))] + ["u%d" % i for i in range(len(unwritable))])
    tables += "".join(
        "\n  - {from: public.m%d, to: [{table: public.m%d, columns: {m: {map: {from: m, values: {a: b}}}}}]}" % (i, i)
        for i in range(len(NOT_MAPPABLE))
    )
    done = Migration(parts, source, target, tables).call("validate")
    check_equal(done.wait(0), 3, "exit code of validate")
    said = [line.partition(" error ")[2] for line in (done.stdout + done.stderr).splitlines()]
    expected = {
        "k": 'RH-3224: column "k" of type %s cannot be a key: ',
        "u": 'RH-3240: column "u" of type %s cannot become column "u" of table ',
        "m": 'RH-3243: values of column "m" of type %s cannot be looked up in a map ',
    }
    columns = source.sql(
        "set search_path = ''; select attname, format_type(atttypid, atttypmod) from pg_catalog.pg_attribute a"
        " join pg_catalog.pg_class c on c.oid = attrelid where relkind = 'r' and relname ~ '^[kum][0-9]+$'"
        " and attname = left(relname, 1)"
    )
    check_equal(len(columns), len(REFUSED_KEYS + unwritable + NOT_MAPPABLE), "columns that are to be refused")
    for name, kind in columns:
        check(
            any(line.startswith(expected[name] % kind) for line in said),
            "validate does not say %s\n%s%s" % (expected[name] % kind, done.stdout, done.stderr),
        )


main(
    values_of_every_type_arrive_bit_for_bit_and_each_changed_one_is_found,
    twins_that_sql_calls_equal_are_told_apart,
    keys_of_every_type_page_and_are_found,
    large_values_arrive_and_rows_above_the_limit_are_rejected,
    generated_and_identity_columns_and_names_arrive,
    what_has_no_faithful_text_is_said_or_known,
    an_object_that_the_target_lacks_stops_the_run,
    another_encoding_of_the_source_changes_nothing,
    constants_and_maps_of_many_types_arrive,
    conditions_compare_by_the_type,
    what_a_type_does_not_allow_is_refused,
)
