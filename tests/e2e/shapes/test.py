"""Tables of every shape: sizes, keys, names, references, rules, and kinds of columns."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import check, check_equal, main, same_rows
from migration import Migration


def copied(parts, tables, source_sql, target_sql, **sections):
    """Runs a migration from databases made by these scripts. Returns it with both databases."""
    source, target = parts.source.database(), parts.target.database()
    source.sql(source_sql)
    target.sql(target_sql)
    migration = Migration(parts, source, target, tables, **sections)
    migration.finish()
    migration.check_ledger()
    check_equal(migration.ledger("select * from rowhaul.rejects where run = $run"), [], "rejects")
    return migration, source, target


def check_same(source, target, query, count):
    check_equal(same_rows(source, query, target, query), count, "rows of %s compared" % query)


# --- sizes --------------------------------------------------------------------------------------------


def canonical(key):
    """The bytes of a key of one integer column, as docs/wire-format.md has them."""
    text = str(key).encode()
    return struct.pack(">I", len(text)) + text


def murmur2(data):
    """org.apache.kafka.common.utils.Utils.murmur2."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    for i in range(0, len(data) - 3, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    tail = data[len(data) & ~3 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key, partitions):
    return (murmur2(canonical(key)) & 0x7FFFFFFF) % partitions


def tables_of_no_row_of_one_and_with_all_rows_in_one_partition_arrive(parts):
    keys = [key for key in range(1, 1000) if partition_of(key, 4) == 2]
    ddl = """
        create table nothing (id int primary key, t text);
        create table single (id int primary key, t text);
        create table crowded (id int primary key, t text)"""
    fill = """;
        insert into single values (1, null);
        insert into crowded select i, 't' || i from unnest(array%s) i""" % keys
    migration, source, target = copied(
        parts,
        """
  - {from: public.nothing, to: [{table: public.nothing}]}
  - {from: public.single, to: [{table: public.single}]}
  - {from: public.crowded, to: [{table: public.crowded}]}""",
        ddl + fill,
        ddl,
        backfill={"page": 50},
    )
    for table, count in (("nothing", 0), ("single", 1), ("crowded", len(keys))):
        check_same(source, target, "select * from %s order by id" % table, count)
    check_equal(
        migration.ledger(
            "select partition, accepted from rowhaul.offsets"
            " where run = $run and table_id = 'crowded' order by partition"
        ),
        [("0", "0"), ("1", "0"), ("2", str(len(keys))), ("3", "0")],
        "rows in each partition, which Kafka's own partitioner would have chosen too",
    )


# --- keys ---------------------------------------------------------------------------------------------

KEYS = {
    "uuid": "md5(i::text)::uuid",
    "numeric": "case when i % 3 = 0 then i * 100 when i % 3 = 1 then -i / 8.0 else i + 0.500 end",
    "char(12)": "'k' || i || repeat(' ', i % 5)",
    "timestamptz": "case i when 1 then '-infinity' when 2 then 'infinity'"
    " else timestamptz '2023-10-29 00:30+02' + i * interval '7 minute 0.000001 second' end",
    "date": "date '0044-03-15 BC' + i * 400",
    "bytea": "decode(md5(i::text), 'hex')",
    "boolean": "i % 2 = 0",  # two rows
    'text collate "ru-x-icu"': "(array['Ёж', 'ёж', 'Ель', 'ель', 'Zoo', 'zoo', 'a b', 'a-b', 'ab', ''])[1 + i % 10]"
    " || case when i > 9 then i::text else '' end",
}


def keys_of_every_type_page_and_arrive(parts):
    source_sql, target_sql, mapping = [], [], []
    for number, (kind, expression) in enumerate(KEYS.items()):
        ddl = "create table k%d (k %s primary key, v int)" % (number, kind)
        target_sql.append(ddl)
        source_sql += [
            ddl,
            "insert into k%d select %s, min(i) from generate_series(1, 300) i group by 1"
            % (number, expression),
        ]
        mapping.append("  - {from: public.k%d, to: [{table: public.k%d}]}" % (number, number))
    ddl = "create table k3 (a text, b int, c date, v int, primary key (c, a, b))"
    several = ddl.replace("k3", "several")
    source_sql += [
        several,
        "insert into several select 'a' || i % 5, i % 7, date '2024-02-28' + i % 3, i"
        " from generate_series(1, 105) i",
    ]
    target_sql.append(several)
    mapping.append("  - {from: public.several, to: [{table: public.several}]}")
    _, source, target = copied(
        parts, "\n".join(mapping), ";".join(source_sql), ";".join(target_sql), backfill={"page": 40}
    )
    for number, kind in enumerate(KEYS):
        count = int(source.value("select count(*) from k%d" % number))
        check_same(source, target, 'select * from k%d order by k::text collate "C"' % number, count)
    check_same(source, target, "select * from several order by v", 105)


# --- names --------------------------------------------------------------------------------------------

LONG = "Ж" * 31 + "x"  # 63 bytes


def names_that_need_quotes_arrive(parts):
    ddl = """
        create schema "Моя схема";
        create table "Моя схема"."Order ""Lines"".2024" (
            "Id" int primary key, "select" text, "a.b" text, "it's" text, "back\\slash" text,
            "%%s" text, "%s" text);
        create table "%s" ("%s" int primary key, "NULL" text)""" % (LONG, LONG, LONG)
    fill = """;
        insert into "Моя схема"."Order ""Lines"".2024"
        select i, 's' || i, 'a.b', 'it''s', E'\\\\', '%%', 'ж' from generate_series(1, 20) i;
        insert into "%s" select i, case when i > 5 then 'NULL' end from generate_series(1, 10) i""" % LONG
    _, source, target = copied(
        parts,
        """
  - id: lines
    from: [Моя схема, 'Order "Lines".2024']
    to: [{table: [Моя схема, 'Order "Lines".2024']}]
  - {id: long, from: public.%s, to: [{table: public.%s}]}"""
        % (LONG, LONG),
        ddl + fill,
        ddl,
        backfill={"page": 7},
    )
    check_same(source, target, 'select * from "Моя схема"."Order ""Lines"".2024" order by "Id"', 20)
    check_same(source, target, 'select * from "%s" order by "%s"' % (LONG, LONG), 10)


# --- references ---------------------------------------------------------------------------------------


def tables_that_refer_to_themselves_and_in_a_circle_keep_their_constraints(parts):
    ddl = """
        create table employees (id int primary key, boss_id int constraint has_boss references employees);
        create table teams (id int primary key, leader_id int not null);
        create table members (id int primary key, team_id int not null constraint in_team references teams);
        alter table teams add constraint has_leader foreign key (leader_id) references members
            on delete cascade deferrable initially deferred"""
    # Whoever is referred to comes later in key order.
    fill = """;
        insert into employees select i, nullif(i + 1, 501) from generate_series(1, 500) i;
        begin;
        insert into teams select i, 201 - i from generate_series(1, 200) i;
        insert into members select i, 201 - i from generate_series(1, 200) i;
        commit"""
    migration, source, target = copied(
        parts,
        """
  - {from: public.employees, to: [{table: public.employees}]}
  - {from: public.teams, to: [{table: public.teams}]}
  - {from: public.members, to: [{table: public.members}]}""",
        ddl + fill,
        ddl,
        backfill={"page": 50},
        apply={"batch_rows": 50},
    )
    for table, count in (("employees", 500), ("teams", 200), ("members", 200)):
        check_same(source, target, "select * from %s order by id" % table, count)
    constraints = (
        "select conname, pg_get_constraintdef(oid), convalidated from pg_constraint"
        " where contype = 'f' and connamespace = 'public'::regnamespace order by 1"
    )
    check_equal(target.sql(constraints), source.sql(constraints), "foreign keys of the target and the source")
    check_equal(
        migration.ledger("select distinct state from rowhaul.deferred_ddl where run = $run"),
        [("restored",)],
        "states of the constraints that were taken off",
    )


def a_reference_that_does_not_hold_stays_not_valid_and_is_said(parts):
    tables = "create table parts (id int primary key, whole_id int)"
    source, target = parts.source.database(), parts.target.database()
    source.sql(tables + "; insert into parts select i, i + 1 from generate_series(1, 50) i")
    target.sql(tables + "; alter table parts add constraint has_whole foreign key (whole_id) references parts")
    migration = Migration(parts, source, target, "- {from: public.parts, to: [{table: public.parts}]}")
    done = migration.finish(code=1)
    check_same(source, target, "select * from parts order by id", 50)
    migration.check_ledger()
    check_equal(
        target.sql("select conname, convalidated from pg_constraint where conname = 'has_whole'"),
        [("has_whole", "f")],
        "the constraint",
    )
    check("NOT VALID or away: 1" in done.stdout, "the result does not say it:\n" + done.stdout)


def a_reference_of_a_partitioned_table_that_does_not_hold_is_said_too(parts):
    """PostgreSQL has no NOT VALID there, so this one stays away."""
    source, target = parts.source.database(), parts.target.database()
    source.sql("create table parts (id int primary key, whole_id int)")
    source.sql("insert into parts select i, i + 1 from generate_series(1, 50) i")
    target.sql(
        "create table parts (id int primary key, whole_id int) partition by hash (id);"
        "create table parts_0 partition of parts for values with (modulus 2, remainder 0);"
        "create table parts_1 partition of parts for values with (modulus 2, remainder 1);"
        "alter table parts add constraint has_whole foreign key (whole_id) references parts"
    )
    migration = Migration(parts, source, target, "- {from: public.parts, to: [{table: public.parts}]}")
    done = migration.finish(code=1)
    check_same(source, target, "select * from parts order by id", 50)
    check("NOT VALID or away: 1" in done.stdout, "the result does not say it:\n" + done.stdout)


# --- triggers -----------------------------------------------------------------------------------------


def triggers_that_change_rows_are_off_while_the_run_lasts_or_their_columns_do_not_count(parts):
    source_sql = """
        create table notes (id int primary key, text text, updated_at timestamptz);
        insert into notes select i, 'n' || i, '2020-01-01' from generate_series(1, 100) i;
        create table marks (id int primary key, text text, updated_at timestamptz);
        insert into marks select i, 'm' || i, '2020-01-01' from generate_series(1, 100) i"""
    target_sql = """
        create table notes (id int primary key, text text, updated_at timestamptz);
        create table marks (id int primary key, text text, updated_at timestamptz);
        create function touch() returns trigger language plpgsql as
            $$ begin new.updated_at := now(); return new; end $$;
        create trigger touch before insert or update on notes for each row execute function touch();
        create trigger touch before insert or update on marks for each row execute function touch()"""
    migration, source, target = copied(
        parts,
        """
  - {from: public.notes, to: [{table: public.notes, triggers: off}]}
  - {from: public.marks, to: [{table: public.marks, triggers: {fire: [updated_at]}}]}""",
        source_sql,
        target_sql,
    )
    check_same(source, target, "select * from notes order by id", 100)
    check_same(source, target, "select id, text from marks order by id", 100)
    untouched = target.value("select count(*) from marks where updated_at < '2021-01-01'")
    check_equal(untouched, "0", "marks that the trigger did not touch")
    check_equal(
        target.sql(
            "select tgrelid::regclass::text, tgenabled from pg_trigger where tgname = 'touch' order by 1"
        ),
        [("marks", "O"), ("notes", "O")],
        "states of the triggers after the run",
    )
    check_equal(migration.json("verify")["verdict"], "equal", "verdict of verify")


# --- rules --------------------------------------------------------------------------------------------


def rows_are_chosen_renamed_and_made_by_rules(parts):
    source_sql = """
        create table clients (id int primary key, full_name text not null, phone varchar(20), level text,
            secret text, balance numeric(10, 2), code char(6), deleted_at timestamptz);
        insert into clients
        select i, 'Имя ' || i, '+7000' || i, (array['new', 'gold', 'black', null])[1 + i % 4], 's', i / 4.0,
               'c' || i, case when i % 10 = 0 then now() end
          from generate_series(1, 400) i"""
    target_sql = """
        create table people (client_id bigint primary key, name text not null, phone text,
            origin text not null, tier int, settings jsonb, tags text[], balance numeric(12, 2), code text,
            note text default 'none')"""
    _, source, target = copied(
        parts,
        """
  - from: public.clients
    where: {deleted_at: null, balance: {lt: 90}}
    to:
      - table: public.people
        drop: [secret, deleted_at]
        columns:
          client_id: id
          name: full_name
          origin: {const: "${system}"}
          tier: {map: {from: level, values: {new: 0, gold: 1, null: -1}, otherwise: {const: 9}}}
          settings: {const: {lang: ru, n: 1}}
          tags: {const: [a, "b c"]}""",
        source_sql,
        target_sql,
        vars={"system": "crm's"},
    )
    count = same_rows(
        source,
        """select id::bigint, full_name, phone::text, 'crm''s',
                  case level when 'new' then 0 when 'gold' then 1 when 'black' then 9 else -1 end,
                  '{"lang": "ru", "n": 1}'::jsonb, array['a', 'b c'], balance, code::text, 'none'
             from clients where deleted_at is null and balance < 90 order by id""",
        target,
        "select * from people order by client_id",
    )
    check_equal(count, 324, "rows compared")


# --- columns ------------------------------------------------------------------------------------------


def generated_identity_and_partitioned_tables_arrive(parts):
    columns = """
        create table invoices (id int generated always as identity primary key, net numeric(10, 2) not null,
            gross numeric(10, 2) generated always as (net * 1.2) stored, at date)"""
    partitioned = """;
        create table logs (at date, id int, text text, primary key (at, id)) partition by range (at);
        create table logs_1 partition of logs for values from ('2024-01-01') to ('2024-02-01');
        create table logs_2 partition of logs for values from ('2024-02-01') to ('2024-03-01');
        create table logs_rest partition of logs default"""
    fill = """;
        insert into invoices (net, at) select i / 3.0, date '2024-01-01' + i from generate_series(1, 200) i;
        delete from invoices where id % 3 = 0;
        insert into logs select date '2024-01-20' + i % 60, i, 'Журнал ' || i from generate_series(1, 400) i"""
    flat = "; create table logs (at date, id int, text text, primary key (at, id))"
    _, source, target = copied(
        parts,
        """
  - {from: public.invoices, to: [{table: public.invoices}]}
  - {from: public.logs, to: [{table: public.logs}]}""",
        columns + partitioned + fill,
        columns + flat,
        backfill={"page": 60},
    )
    check_same(source, target, "select * from invoices order by id", 134)
    check_same(source, target, "select * from logs order by at, id", 400)


main(
    tables_of_no_row_of_one_and_with_all_rows_in_one_partition_arrive,
    keys_of_every_type_page_and_arrive,
    names_that_need_quotes_arrive,
    tables_that_refer_to_themselves_and_in_a_circle_keep_their_constraints,
    a_reference_that_does_not_hold_stays_not_valid_and_is_said,
    a_reference_of_a_partitioned_table_that_does_not_hold_is_said_too,
    triggers_that_change_rows_are_off_while_the_run_lasts_or_their_columns_do_not_count,
    rows_are_chosen_renamed_and_made_by_rules,
    generated_identity_and_partitioned_tables_arrive,
)
