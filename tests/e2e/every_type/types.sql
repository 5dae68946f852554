-- Types of our own, in both databases: extensions outside public, names that need quotes, and every kind
-- of type that can be built upon another.

create schema "Ext Ensions";
create extension hstore schema "Ext Ensions";
create extension citext schema "Ext Ensions";
create extension ltree schema "Ext Ensions";
create extension cube schema "Ext Ensions";
create extension seg schema "Ext Ensions";
create extension isn schema "Ext Ensions";
create extension intarray schema "Ext Ensions";

create schema "Моя Схема";

create type "Моя Схема"."Mood" as enum (
    'Sad', 'ok', 'OK', 'NULL', 'Very "happy"', 'it''s', 'back\slash', 'a,b', '(x)', '{y}', ' blank ', '',
    'ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ1');
alter type "Моя Схема"."Mood" add value 'meh' before 'ok';

create type "Моя Схема"."Pair" as ("Number" int, "Some Text" text);

create domain positive as int check (value > 0);
create domain "Very Positive" as positive check (value > 10);
create domain price as numeric(12, 2);
create domain code as char(6);
create domain short as varchar(8) collate "C";
create domain mood as "Моя Схема"."Mood";
create domain ints as int[];
create domain pair as "Моя Схема"."Pair";
create domain span as int4range;

-- Composite of composites, arrays, domains; and the row type of a table that has lost a column.
create type nest as (
    p "Моя Схема"."Pair", ps "Моя Схема"."Pair"[], m "Моя Схема"."Mood", d positive, n numeric, h "Ext Ensions".hstore);
create table holder (a int, gone text, "B" "Моя Схема"."Mood", c timestamptz[]);
alter table holder drop column gone;

create type textrange as range (subtype = text, collation = "C", multirange_type_name = textranges);
create type "Float Range" as range (subtype = float8, subtype_diff = float8mi);
create type moodrange as range (subtype = "Моя Схема"."Mood");

-- Case and accents do not count: equal texts differ.
create collation blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
create domain blind_text as text collate blind;
