"""Counts a table, its ledger and its rejected records, by deltalake's own log and reader, and again by DuckDB."""

import json
import sys

import duckdb
from deltalake import DeltaTable

from answer import answer

request = json.loads(sys.argv[1])


def open_table(suffix=""):
    return DeltaTable(request["table"] + suffix, storage_options=request["options"])


table = open_table()
rows = table.to_pyarrow_dataset()
files = open_table("__files").to_pyarrow_dataset()
rejected = open_table("__rejected").to_pyarrow_dataset()
partitions = duckdb.sql(
    """
    SELECT partition_id, count(*), count(DISTINCT (event_hub, sequence_number, enqueued_at)),
        min(sequence_number), max(sequence_number)
    FROM rows GROUP BY partition_id ORDER BY partition_id
    """
).fetchall()
adds = table.get_add_actions(flatten=True)
said = sum(adds["num_records"].to_pylist())
answer(
    {
        "version": table.version(),
        "partitions": partitions,
        "rows": rows.count_rows(),
        "said": said,
        "rejected": rejected.count_rows(),
        "files": duckdb.sql("SELECT count(*), count(DISTINCT blob) FROM files").fetchall()[0],
        "loaded": duckdb.sql("SELECT coalesce(sum(loaded - already_there), 0)::BIGINT FROM files").fetchall()[0][0],
        "of_rejected": duckdb.sql("SELECT coalesce(sum(rejected), 0)::BIGINT FROM files").fetchall()[0][0],
    }
)
