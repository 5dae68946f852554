"""image -- rows as their types' binary send functions give them: the second, independent comparison.

In:     a database and a query of whole rows. Out: nested tuples of bytes.
Never:  looks at text: what two values print alike and is not the same shows here.

record_send names the types of fields and array_send those of elements by OID, and enums, composites and
domains have other OIDs in each database; so records, arrays and ranges are taken apart, and types named.
"""

import csv
import struct

csv.field_size_limit(1 << 30)

TYPES = """
select t.oid, n.nspname || '.' || t.typname, t.typtype, t.typsend::oid::regproc, t.typbasetype, r.rngsubtype,
       m.rngtypid
  from pg_type t join pg_namespace n on n.oid = t.typnamespace
  left join pg_range r on r.rngtypid = t.oid left join pg_range m on m.rngmultitypid = t.oid"""

RANGE_EMPTY, RANGE_LOWER_INFINITE, RANGE_UPPER_INFINITE = 1, 8, 16


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def int(self):
        self.at += 4
        return struct.unpack_from(">i", self.data, self.at - 4)[0]

    def oid(self):
        return self.int() & 0xFFFFFFFF

    def value(self):
        """What stands behind its length; None for NULL."""
        size = self.int()
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at]


class Images:
    """The types of one database."""

    def __init__(self, database):
        self.database = database
        self.types = {int(row[0]): row[1:] for row in database.sql(TYPES)}

    def rows(self, tables, order):
        """{(table, value of the column `order`): image} of all rows of the tables."""
        rows = self.database.sql(
            " union all ".join(
                "select $$%s$$, %s, encode(record_send(a_row), 'hex') from %s a_row" % (table, order, table)
                for table in tables
            )
        )
        return {(table, key): self._record(bytes.fromhex(image)) for table, key, image in rows}

    def _image(self, oid, data):
        if data is None:
            return None
        name, kind, send, base, subtype, range_type = self.types[oid]
        if kind == "d":
            return self._image(int(base), data)
        if kind == "r":
            return self._range(int(subtype), data)
        if kind == "m":
            reader = Reader(data)
            subtype = int(self.types[int(range_type)][4])
            return tuple(self._range(subtype, reader.value()) for _ in range(reader.int()))
        if send == "array_send":
            return self._array(data)
        return self._record(data) if kind == "c" else data

    def _record(self, data):
        reader, fields = Reader(data), []
        for _ in range(reader.int()):
            oid = reader.oid()
            fields.append((self.types[oid][0], self._image(oid, reader.value())))
        return tuple(fields)

    def _array(self, data):
        reader = Reader(data)
        dimensions, _, oid = reader.int(), reader.int(), reader.oid()
        shape = tuple((reader.int(), reader.int()) for _ in range(dimensions))
        items = []
        while reader.at < len(data):
            items.append(self._image(oid, reader.value()))
        return self.types[oid][0], shape, tuple(items)

    def _range(self, subtype, data):
        reader, flags = Reader(data), data[0]
        reader.at = 1
        infinite = {"lower": flags & RANGE_LOWER_INFINITE, "upper": flags & RANGE_UPPER_INFINITE}
        bounds = [
            None if flags & RANGE_EMPTY or infinite[side] else self._image(subtype, reader.value())
            for side in ("lower", "upper")
        ]
        return flags, *bounds
