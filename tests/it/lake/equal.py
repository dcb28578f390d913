"""Compares every value that deltalake and DuckDB read of a table with what PostgreSQL shows of the same row."""

import json
import struct
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import duckdb
from deltalake import DeltaTable

from answer import answer

request = json.loads(sys.argv[1])
columns, rows = request["more"]["columns"], request["more"]["rows"]
names = [name for name, _ in columns]
table = DeltaTable(request["table"], storage_options=request["options"])


def real(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def moment(text):
    text = text.replace(" ", "T")
    return datetime.fromisoformat(text + ":00" if text.endswith("+00") else text)


def clock(text):
    return text if "." not in text else text.rstrip("0").rstrip(".")


def wanted(text, kind):
    """What PostgreSQL's text says."""
    if text == "NULL" and kind != "varchar":
        return None
    if kind.endswith("[]"):
        values = json.loads(text)
        return [date.fromisoformat(v) if v and kind == "date[]" else v for v in values]
    return {
        "boolean": lambda: text == "true",
        "smallint": lambda: int(text),
        "integer": lambda: int(text),
        "bigint": lambda: int(text),
        "real": lambda: real(float(text)),
        "double precision": lambda: float(text),
        "date": lambda: date.fromisoformat(text),
        "timestamptz": lambda: moment(text),
        "timestamp": lambda: moment(text),
        "time": lambda: clock(text),
        "jsonb": lambda: json.loads(text, parse_float=Decimal),
        "bytea": lambda: bytes.fromhex(text[2:]),
    }.get(kind, lambda: Decimal(text) if kind.startswith("numeric") else text)()


def found(value, kind):
    """What a reader gives, in the same form."""
    if value is None:
        return "NULL" if kind == "varchar" else None
    if kind == "jsonb":
        return json.loads(value, parse_float=Decimal)
    if kind == "time":
        return clock(value)
    if kind == "real":
        return real(value)
    if kind == "timestamptz":
        return value.astimezone(timezone.utc)
    return value


def compare(reader, read):
    read = sorted(read, key=lambda row: row["sequence_number"])
    assert len(read) == len(rows), (reader, len(read), len(rows))
    equal = 0
    for row, texts in zip(read, rows):
        for (name, kind), text in zip(columns, texts):
            one, other = found(row[name], kind), wanted(text, kind)
            assert one == other and type(one) is type(other), (reader, row["sequence_number"], name, one, other)
            equal += 1
    return equal


arrow = table.to_pyarrow_table()
by_duckdb = duckdb.connect()
by_duckdb.execute("SET TimeZone = 'UTC'")
dataset = table.to_pyarrow_dataset()
if request["options"]:
    relation = by_duckdb.sql("SELECT * FROM dataset")
else:
    # DuckDB's own reader of Parquet, on the files that the log names.
    relation = by_duckdb.read_parquet(table.file_uris(), hive_partitioning=True)
cells = relation.fetchall()
duck = [dict(zip(relation.columns, row)) for row in cells]
assert all(row["enqueued_date"] == date(2026, 1, 2) for row in duck + arrow.to_pylist())
answer({"deltalake": compare("deltalake", arrow.to_pylist()), "duckdb": compare("duckdb", duck)})
