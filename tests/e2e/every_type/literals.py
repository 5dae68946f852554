"""literals -- every type, with values that tell a faithful copy from one that is nearly so.

A family is a table. For each type there are literals, as an INSERT takes them: next to each other they
are different (the last one and the first, too), since a test puts the next one in the place of the one before.
"""


class Sql(str):
    """A literal that is an expression."""


CONTROLS = "".join(map(chr, [*range(1, 32), 127]))
WIDE = "\U0001f600\U0010ffff\ufeff\u0085\u2028e\u0301\u00e9"  # 4 bytes, a BOM, line ends of Unicode, e' twice
HARD_TEXTS = [
    "",
    " ",
    "\\.",
    "\\N",
    "NULL",
    "\\",
    "\\\\n\\t",
    "\t",
    "\r\n",
    "a\nb\rc",
    CONTROLS,
    WIDE,
    "it's \"quoted\" {a,b} (c) $$ %s ${x} \\x41",
    "trailing  ",
    "a,b;c",
]

NUMBERS = [
    ("int2", ["0", "-32768", "32767"]),
    ("int4", ["0", "-2147483648", "2147483647"]),
    ("int8", ["0", "-9223372036854775808", "9223372036854775807", "4294967296", "1"]),
    ("oid", ["0", "4294967295", "2147483648"]),
    ("xid", ["0", "4294967295"]),
    ("xid8", ["0", "18446744073709551615", "4294967296"]),
    ("cid", ["0", "4294967295"]),
    ("tid", ["(0,0)", "(4294967295,65535)", "(0,1)"]),
    ("pg_lsn", ["0/0", "FFFFFFFF/FFFFFFFF", "1/0"]),
    ("bool", ["t", "f"]),
    ("float4", ["0", "-0", "1e-45", "3.4028235e38", "0.1", "NaN", "-Infinity", "Infinity", "1.17549435e-38"]),
    (
        "float8",
        ["0", "-0", "5e-324", "-1.7976931348623157e308", "0.1", "0.30000000000000004", "NaN", "-Infinity", "1e22"],
    ),
    (
        "numeric",
        ["0", "0.00", "1.0", "1.00", "NaN", "Infinity", "-Infinity", "1e-16383", "-0.1", "100"]
        + [Sql("(repeat('9', 131072) || '.' || repeat('7', 16383))::numeric"), "12345678901234567890.1234567890"],
    ),
    ("numeric(12, 2)", ["0", "-9999999999.99", "NaN", "0.01"]),
    ("numeric(3, -2)", ["0", "99900", "-100"]),
    ("numeric(3, 5)", ["0", "0.00999", "-0.00001"]),
    ("money", ["0", "-92233720368547758.08", "92233720368547758.07", "-0.01"]),
    ("bit(5)", ["00000", "10101", "00001"]),
    ("bit", ["0", "1"]),
    ("varbit", ["", "0", "00", "1", "0000000000000001", Sql("repeat('10', 5000)::varbit")]),
    ("varbit(9)", ["", "111111111", "0"]),
    ("uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"]),
    ("int2vector", ["", "1 2 3", "-32768 32767"]),
    ("oidvector", ["", "0 4294967295", "1"]),
]

TEXTS = [
    ("text", HARD_TEXTS),
    ("varchar", HARD_TEXTS[::-1]),
    ("varchar(40)", HARD_TEXTS),
    ("bpchar", HARD_TEXTS),
    ("char(40)", ["", "a", "a b", "\\.", CONTROLS, WIDE]),
    ("char", ["", "x"]),
    ('"char"', ["", "x", "\\", " ", "\n", "'"]),
    ("name", ["", "x", "Ж" * 31 + "x", " \\.\t", "NULL"]),
    ('text collate "de-x-icu"', ["ß", "ss", "Ä", "a\u0308", ""]),
    ("refcursor", ["", "<unnamed portal 1>", "\\.\n"]),
    ("bytea", ["", "\\x00", "\\x5c", "\\x5c2e0a", "\\x27220d0a09", Sql("decode(repeat('00ff5c', 3000), 'hex')")]),
    (
        "json",
        [
            '{"b":1,  "a" : 2 , "b":3}',
            " [1 ,\n\t2]",
            '"\\u00e9\\ud83d\\ude00\\\\"',
            "1234567890123456789012345678901234567890.0100e+2",
            "null",
            '""',
            "{}",
        ],
    ),
    (
        "jsonb",
        [
            '{"b": 1234567890123456789012345678901234567890, "a": [1.0, 1.00, -0.0, 1e400]}',
            "1234567890123456789012345678901234567890",
            "1.0",
            "1.00",
            "null",
            '"null"',
            '""',
            '{"": {"\\t\\"\\\\": "é\\ud83d\\ude00\\u0001"}}',
            "[]",
        ],
    ),
    (
        "jsonpath",
        [
            "$",
            'strict $."a b".**{2 to last}[0, 2 to last] ? (@.x == 1.50 && !(@.y like_regex "^\\"a.*\\\\" flag "iq"))',
            '$.a ? (exists (@.b ? (@ starts with $"v")) || (@ > -1) is unknown).type()',
            "lax -$[*].double() + 1e2",
        ],
    ),
    (
        "xml",
        [
            "",
            "<a b=\"1\">\n\t<![CDATA[ ]] ]]>&amp;</a>",
            "text &lt; <b/>tail  ",
            '<?xml version="1.0" standalone="yes"?><a/>',
            '<!DOCTYPE a [<!ENTITY e "x">]><a>Ж</a>',
        ],
    ),
    ("tsvector", ["", "'a':1A,2B 'it''s' 'back\\\\slash':16383", "' ' ':' 'Ж':1,2C"]),
    (
        "tsquery",
        ["", "'a' & !'b' | 'c':*AB", "('a' | 'b') <-> ('c' & 'd') <3> 'e'", "!!'it''s' & !( 'x' <-> 'back\\\\slash' )"],
    ),
    ("pg_snapshot", ["1:1:", "10:20:10,14,15"]),
    ("txid_snapshot", ["1:1:", "10:20:10,14,15"]),
]

TIMES = [
    ("date", ["1970-01-01", "infinity", "-infinity", "4713-11-24 BC", "5874897-12-31", "0001-12-31 BC", "2000-02-29"]),
    ("time", ["00:00:00", "24:00:00", "23:59:59.999999", "00:00:00.000001"]),
    ("time(3)", ["00:00:00", "24:00:00", "23:59:59.999", "12:00:00.1"]),
    ("timetz", ["00:00:00+00", "24:00:00-15:59:59", "24:00:00+15:59:59", "12:00:00.000001+05:30:17", "12:00:00+02"]),
    (
        "timestamp",
        [
            "2000-01-01 00:00:00",
            "infinity",
            "-infinity",
            "4713-11-24 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "0044-03-15 12:00:00.000001 BC",
        ],
    ),
    ("timestamp(0)", ["2000-01-01 00:00:00", "infinity", "0001-01-01 00:00:00"]),
    (
        "timestamptz",
        [
            "2000-01-01 00:00:00+00",
            "infinity",
            "-infinity",
            "4713-11-24 00:00:00+00 BC",
            "294276-12-31 23:59:59.999999+00",
            "1883-11-18 12:03:58-04:56:02",
            "2023-10-29 02:30:00+02",
            "2023-10-29 02:30:00+01",
        ],
    ),
    (
        "interval",
        [
            "0",
            "1 mon -1 day 00:00:00.000001",
            "-1 mon +1 day -23:59:59.999999",
            "30 days",
            "1 mon",
            "720:00:00",
            "178000000 years",
            "-178000000 years",
            "2147483647 days",
            "-2147483648 days",
            "2562047788:00:54.775807",
            "-2562047788:00:54.775807",
            "1 year -11 mons +30 days -00:00:00.5",
        ],
    ),
    ("interval day to second(2)", ["0", "1 day 00:00:00.25", "-1 day 24:00:00"]),
    ("interval year", ["0", "7 years", "-7 years"]),
    ("int4range", ["empty", "(,)", "[1,5)", "(,-2147483648)", "[2147483647,)"]),
    ("int8range", ["empty", "(,)", "[-9223372036854775808,9223372036854775807)"]),
    ("numrange", ["empty", "(1.0,1.50]", "(1.0,1.5]", "[1.0,1.00]", "[-Infinity,NaN]", "(,)"]),
    ("daterange", ["empty", "[-infinity,infinity]", "[2000-01-01,2000-03-01)", "(,5874897-12-31)"]),
    ("tsrange", ["empty", '["4713-11-24 00:00:00 BC",infinity)', '(-infinity,"2000-01-01 00:00:00"]']),
    ("tstzrange", ["empty", '["2000-01-01 00:00:00+00","294276-12-31 23:59:59.999999+00")', "(,infinity)"]),
    ("int4multirange", ["{}", "{[1,3),[5,8),[9,)}", "{(,)}"]),
    ("int8multirange", ["{}", "{(,-5),[5,9223372036854775807)}"]),
    ("nummultirange", ["{}", "{[1.0,1.50),(1.50,2]}", "{[NaN,NaN]}"]),
    ("datemultirange", ["{}", "{[2000-01-01,2000-01-02),[infinity,infinity]}"]),
    ("tsmultirange", ["{}", '{["2000-01-01 00:00:00","2000-01-01 00:00:01"],("2001-01-01 00:00:00",)}']),
    ("tstzmultirange", ["{}", "{(,-infinity],[infinity,)}"]),
]

SHAPES = [
    ("point", ["(0,0)", "(-0,0)", "(NaN,Infinity)", "(5e-324,-1.7976931348623157e308)", "(0.1,0.2)"]),
    ("line", ["{1,-1,0}", "{0.1,0.2,0.30000000000000004}", "{-1,0,Infinity}"]),
    ("lseg", ["[(0,0),(1,1)]", "[(1,1),(0,0)]", "[(-0,0),(NaN,1e-310)]"]),
    ("box", ["(1,1),(0,0)", "(0,0),(-0,-1)", "(Infinity,1e300),(-Infinity,1e-300)"]),
    ("path", ["[(0,0),(1,1)]", "((0,0),(1,1))", "((0,0))", "[(-0,0.1),(NaN,2),(3,4)]"]),
    ("polygon", ["((0,0),(1,1),(1,0))", "((0,0))", "((0,0),(1,0),(1,1))", "((-0,0.1),(Infinity,2))"]),
    ("circle", ["<(0,0),0>", "<(0,0),1>", "<(-0,0.1),Infinity>", "<(NaN,0),1e-320>"]),
    ("inet", ["0.0.0.0", "10.0.0.1", "10.0.0.1/24", "255.255.255.255/0", "::", "::ffff:1.2.3.4", "fe80::1/64"]),
    ("cidr", ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.1/32", "::/0", "2001:db8::/32", "::1/128"]),
    ("macaddr", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03"]),
    ("macaddr8", ["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff", "08:00:2b:ff:fe:01:02:03"]),
    ('"Ext Ensions".hstore', ["", '"a"=>"1", "b"=>NULL', '"a"=>"NULL", "b"=>""', '"\\"\\\\ =>,"=>"\n\t\'"']),
    ('"Ext Ensions".citext', ["bob", "Bob", "", "\\.\t"]),
    ('"Ext Ensions".ltree', ["", "Top.Science", "Top.science", "a_1.B"]),
    ('"Ext Ensions".lquery', ["*", "Top.*{1,2}.!a@*|b%"]),
    ('"Ext Ensions".ltxtquery', ["Europe & Russia*@", "a | !b"]),
    ('"Ext Ensions".cube', ["(0)", "(1, 2),(3, 4)", "(-0)", "(0.1, 1e-310)"]),
]

OWN = [
    (
        '"Моя Схема"."Mood"',
        ["Sad", "meh", "ok", "OK", "NULL", 'Very "happy"', "it's", "back\\slash", "a,b", "(x)", "{y}", " blank ", ""]
        + ["Ж" * 31 + "1"],
    ),
    (
        '"Моя Схема"."Pair"',
        ["(,)", '(,"")', "(1,NULL)", '(0," ")', '(-1,"a\\\\b""c,(d)\n")', Sql("row(1, E'%s')" % "\\t\\r\\\\.")],
    ),
    (
        "nest",
        [
            "(,,,,,)",
            '("(,)",{},"",1,NaN,"")',
            Sql(
                "row(row(1, 'a\"\\'), array[row(2, null), null, row(null, '')]::\"Моя Схема\".\"Pair\"[],"
                " 'Very \"happy\"', 7, 1.00, '\"a\\\\\"=>\"b\"')"
            ),
        ],
    ),
    ("holder", ["(,,)", '(1,"a,b","{NULL,infinity}")', "(1,ok,{})"]),
    ("positive", ["1", "2147483647"]),
    ('"Very Positive"', ["11", "2147483647"]),
    ("price", ["0", "0.10", "-9999999999.99", "NaN"]),
    ("code", ["", "a", "abcdef", "\\."]),
    ("short", ["", "\\.", "a  ", "ä\t\n"]),
    ("mood", ["Sad", "", "it's", "NULL"]),
    ("ints", ["{}", "{1,NULL}", "[0:1][2:3]={{1,2},{3,4}}"]),
    ("pair", ["(,)", '(1,"")', '(1,"a b")']),
    ("span", ["empty", "[1,2)", "(,)"]),
    ("textrange", ["empty", '["",a)', '("a,b","c""\\\\ )"]', "(,)"]),
    ("textranges", ["{}", '{["",a),("b,",c]}']),
    ('"Float Range"', ["empty", "[-0,5e-324)", "(NaN,)"]),
    ("moodrange", ["empty", '[Sad,"Very ""happy""")', '("",]']),
    ("information_schema.yes_or_no", ["YES", "NO"]),
    ("information_schema.sql_identifier", ["", "x", "NULL"]),
]

# Their texts name objects and roles, which have other OIDs on the target; or they have no binary form.
TEXT_ONLY = [
    ("regclass", ["-", "pg_class", '"Моя Схема"."Referred To"', "4000000000"]),
    ("regtype", ["-", "integer", '"Моя Схема"."Mood"', "numeric[]"]),
    ("regproc", ["-", "now", "pg_catalog.array_send"]),
    ("regprocedure", ["-", "abs(integer)", '"Ext Ensions".nlevel("Ext Ensions".ltree)']),
    ("regoper", ["0", "|/", "||/"]),
    ("regoperator", ["0", "+(integer,integer)", "-(NONE,bigint)"]),
    ("regrole", ["-", "pg_monitor", "pg_read_all_data"]),
    ("regnamespace", ["-", "public", '"Моя Схема"']),
    ("regconfig", ["-", "simple", "english"]),
    ("regdictionary", ["-", "simple", "english_stem"]),
    ("regcollation", ["-", '"C"', '"de-x-icu"']),
    ("aclitem", ["=r/pg_monitor", "pg_monitor=arw*d/pg_read_all_data", "pg_monitor=r*/pg_monitor"]),
    ('"Ext Ensions".isbn', ["0-393-04002-X", "0-596-00108-8"]),
    ('"Ext Ensions".ean13', ["978-0-393-04002-9", "979-0-2600-0043-8"]),
    ('"Ext Ensions".seg', ["1", "1.0", "~6.50", "1.3 .. <2.4", "5(+-)0.3"]),
    ('"Ext Ensions".query_int', ["1", "1&(2|!3)"]),
]

FAMILIES = {
    "numbers": NUMBERS,
    "texts": TEXTS,
    "times": TIMES,
    "shapes": SHAPES,
    "own": OWN,
    "text_only": TEXT_ONLY,
}

ARRAYS = [
    ("text[]",
     ["{}", '{NULL,"NULL","",a}', '{"a\\"b","c\\\\d","{","}",","," ","\n"}', "[0:1][-2:-1]={{a,b},{c,NULL}}"]),
    ("int4[]", ["{}", "[5:7]={1,2,NULL}", "{1,2,NULL}", "{{{1},{2}},{{3},{4}}}", "{{1,2,3,4}}"]),
    ("int4[3][3]", ["{}", "{1}", "{{1,2},{3,4}}"]),
    ("numeric(10, 2)[]", ["{NaN,1.0,-0.01}", "{}", "{NULL}"]),
    ("varchar(3)[]", ["{abc,\"\"}", "{}"]),
    ("char(3)[]", ["{a,\"\"}", "{}"]),
    ("timestamptz[]", ["{infinity,NULL,-infinity}", '{"0044-03-15 12:00:00+00 BC"}']),
]

# What has an output and no input: nobody can write a value of these.
NOT_WRITABLE = (
    "gtsvector pg_node_tree pg_ndistinct pg_dependencies pg_mcv_list pg_brin_bloom_summary"
    " pg_brin_minmax_multi_summary"
).split()

# Values that SQL, a human or a careless hash calls equal.
TWINS = [
    ("numeric", "1.0", "1.00"),
    ("numeric", "0", "-0.0"),
    ("numeric[]", "{1.0}", "{1.00}"),
    ("float4", "0", "-0"),
    ("float8", "0", "-0"),
    ("float8", "0.3", "0.30000000000000004"),
    ("money", "0.01", "-0.01"),
    ("bit varying", "0", "00"),
    ("text", "\u00e9", "e\u0301"),
    ("text", "", None),
    ("text", "NULL", None),
    ("text", "\\N", None),
    ("text", "a", "a "),
    ("text", "\n", "\r\n"),
    ("text", "Å", "\u212b"),
    ("varchar(5)", "a", "a "),
    ('text collate "de-x-icu"', "ss", "ß"),
    ('"char"', "", " "),
    ('"Ext Ensions".citext', "bob", "Bob"),
    ('"Ext Ensions".citext[]', "{bob}", "{Bob}"),
    ('"Ext Ensions".hstore', "a=>NULL", 'a=>"NULL"'),
    ('"Ext Ensions".hstore', "", None),
    ('"Ext Ensions".cube', "(0)", "(-0)"),
    ("json", "[1]", "[1 ]"),
    ("json", '{"a":1,"a":2}', '{"a":2}'),
    ("json", "null", None),
    ("jsonb", "1.0", "1.00"),
    ("jsonb", "null", None),
    ("jsonb", "1234567890123456789012345678901234567890", "1234567890123456789012345678901234567891"),
    ("interval", "1 mon", "30 days"),
    ("interval", "1 day", "24:00:00"),
    ("interval", "1 mon -30 days", "0"),
    ("timetz", "12:00:00+00", "13:00:00+01"),
    ("time", "24:00:00", "00:00:00"),
    ("timestamptz", "2000-01-01 00:00:00+00", "2000-01-01 00:00:00.000001+00"),
    ("timestamp", "0001-01-01 00:00:00", "0001-01-01 00:00:00 BC"),
    ("numrange", "[1.0,2]", "[1.00,2]"),
    ("numrange", "empty", None),
    ("nummultirange", "{[1.0,2]}", "{[1.00,2]}"),
    ("textrange", '["",)', "(,)"),
    ("point", "(0,0)", "(-0,0)"),
    ("point", "(0,0)", "(0,1e-7)"),
    ("lseg", "[(0,0),(1,1)]", "[(1,1),(0,0)]"),
    ("box", "(1,4),(0,0)", "(4,1),(0,0)"),
    ("path", "[(0,0),(1,1)]", "((0,0),(1,1))"),
    ("polygon", "((0,0),(1,1),(1,0))", "((1,1),(1,0),(0,0))"),
    ("circle", "<(0,0),1>", "<(5,5),1>"),
    ("int4[]", "{1,2}", "[0:1]={1,2}"),
    ("int4[]", "{{1,2}}", "{1,2}"),
    ("int4[]", "{}", None),
    ("int4[]", "{NULL}", "{}"),
    ("text[]", "{NULL}", '{"NULL"}'),
    ("text[]", '{""}', "{}"),
    ("inet", "10.0.0.1", "10.0.0.1/24"),
    ("tsquery", "'a' & 'b'", "'b' & 'a'"),
    ("xml", "<a/>", "<a></a>"),
    ('"Моя Схема"."Pair"', "(,)", None),
    ('"Моя Схема"."Pair"', "(,)", '(,"")'),
    ('"Моя Схема"."Mood"', "ok", "OK"),
    ('"Моя Схема"."Mood"', "", None),
    ("pair", "(,)", None),
    ("mood", "NULL", None),
    ("ints", "{}", None),
    ("nest", "(,,,,1.0,)", "(,,,,1.00,)"),
    ("nest", '(,"{NULL}",,,,)', '(,"{""(,)""}",,,,)'),
]

# ---- keys: type -> values whose order or canonical form is easily got wrong

NUMERIC_KEYS = (
    ["-Infinity", "Infinity", "NaN", "0", "-0.5", "1e-16383", "1.10", "1.100000000000000000001", "-1e200", "1e200"]
    + ["%d.%s" % (i, "0" * (i % 4 + 1)) for i in range(-13, 14, 2)]
    + ["%d" % (10**i) for i in range(1, 20, 2)]
)
TEXT_KEYS = HARD_TEXTS + ["a", "A", "b", "B", "ä", "Ä", "a-b", "ab", "a b", "Zoo", "zoo", "ß", "ss", "e\u0301", "é"]
INTEGER_KEYS = {
    bits: [str(n) for n in (*range(-10, 11), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)] for bits in (16, 32, 64)
}
BC_AND_BEYOND = ["infinity", "-infinity", "1970-01-01", "0001-12-31 BC", "4713-11-24 BC", "0001-01-01", "9999-12-31"]
BC_AND_BEYOND += ["20%02d-02-28" % year for year in range(20)]
CLOCKS = ["24:00:00", "23:59:59.999999", "23:59:59.9"] + ["%02d:00:00.%06d" % (h, h) for h in range(24)]
MOODS = ["Sad", "meh", "ok", "OK", "NULL", 'Very "happy"', "it's", "back\\slash", "a,b", " blank ", ""]

KEYS = {
    "int2": INTEGER_KEYS[16],
    "int4": INTEGER_KEYS[32],
    "int8": INTEGER_KEYS[64],
    "oid": ["0", "4294967295", "2147483648"] + [str(10**i) for i in range(10)],
    "xid8": ["18446744073709551615", "9223372036854775808"] + [str(10**i) for i in range(19)],
    "uuid": [Sql("md5('%d')::uuid" % i) for i in range(25)] + ["00000000-0000-0000-0000-000000000000"],
    "bool": ["t", "f"],
    "text": TEXT_KEYS,
    'text collate "C"': TEXT_KEYS,
    'text collate "de-x-icu"': TEXT_KEYS,
    "varchar(60)": TEXT_KEYS,
    "name": TEXT_KEYS,
    '"char"': list(map(chr, range(1, 127, 5))) + [""],
    "bpchar": [t for t in TEXT_KEYS if t not in (" ",)],
    "char(40)": [t for t in TEXT_KEYS if t not in (" ",)],
    'char(40) collate "de-x-icu"': [t for t in TEXT_KEYS if t not in (" ",)],
    "bytea": ["", "\\x00", "\\x0000", "\\xff", "\\x5c", "\\x27", "\\x0a", "\\x00ff", "\\x5c5c", "\\x7f", "\\x80"]
    + [Sql("decode(md5('%d'), 'hex')" % i) for i in range(20)],
    "date": BC_AND_BEYOND + ["5874897-12-31"],
    "time": CLOCKS,
    "timestamp": BC_AND_BEYOND + ["294276-12-31 23:59:59.999999"],
    "timestamptz": BC_AND_BEYOND
    + ["294276-12-31 23:59:59.999999+00", "2023-10-29 02:30:00+02", "2023-10-29 02:30:00+01"],
    "inet": ["10.0.0.1", "10.0.0.1/24", "10.0.0.1/8", "0.0.0.0/0", "::", "::1", "::ffff:10.0.0.1", "::/0"]
    + ["192.168.%d.9/%d" % (i, 16 + i % 17) for i in range(20)],
    "cidr": ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/32", "::/0", "::/128", "2001:db8::/32"]
    + ["192.168.%d.0/24" % i for i in range(20)],
    "macaddr": ["%02x:00:00:00:00:%02x" % (i * 17, 255 - i) for i in range(16)],
    "macaddr8": ["%02x:00:00:ff:fe:00:00:%02x" % (i * 17, 255 - i) for i in range(16)],
    "pg_lsn": ["0/0", "FFFFFFFF/FFFFFFFF"] + ["%X/%X" % (i, 10 ** (i % 9)) for i in range(20)],
    "bit(6)": [Sql("%d::bit(6)" % i) for i in range(0, 64, 3)],
    "varbit": ["", "0", "00", "000", "1", "10", "01", "100000000", "11111111", "111111110"]
    + [bin(i)[2:] for i in range(16, 32)],
    "numeric": NUMERIC_KEYS,
    "numeric(10, 3)": ["NaN", "-9999999.999"] + ["%d.500" % i for i in range(-10, 10)],
    '"Моя Схема"."Mood"': MOODS + ["Ж" * 31 + "1"],
    "mood": MOODS,
    '"Very Positive"': [str(i) for i in range(95, 120)],
    "price": ["%d.10" % i for i in range(-12, 12)] + ["NaN"],
    "code": ["", "a", "\\.", "b\t", "A"] + ["c%d" % i for i in range(15)],
    "information_schema.sql_identifier": TEXT_KEYS,
}

# Each type stands in one of them, at the front, in the middle or at the end.
COMPOSITE_KEYS = [
    ('text collate "de-x-icu"', "numeric", "bool"),
    ("char(40)", "timestamptz", "bytea"),
    ('"Моя Схема"."Mood"', "varbit", "int8"),
    ("bool", "uuid", '"char"', "xid8"),
    ("price", "mood", "inet", "date"),
    ("varchar(60)", "int2", "macaddr"),
    ("cidr", "time", "pg_lsn"),
    ("oid", "name", "bit(6)"),
    ("code", "macaddr8", "timestamp", "int4"),
    ('text collate "C"', '"Very Positive"', "bpchar", "numeric(10, 3)"),
]

REFUSED_KEYS = [
    "float4",
    "float8",
    "interval",
    "timetz",
    "money",
    "jsonb",
    "tsvector",
    "tsquery",
    "tid",
    "int4[]",
    "text[]",
    "oidvector",
    "int4range",
    "nummultirange",
    "textrange",
    '"Моя Схема"."Pair"',
    "ints",
    "span",
    "regclass",
    '"Ext Ensions".citext',
    '"Ext Ensions".hstore',
    '"Ext Ensions".ltree',
    '"Ext Ensions".cube',
    '"Ext Ensions".isbn',
    "text collate blind",
    "varchar(9) collate blind",
    "char(9) collate blind",
    "blind_text",
]
