"""Reads the table again and again: it can always be read, and never has a row twice."""

import json
import sys
import time

import duckdb
from deltalake import DeltaTable

request = json.loads(sys.argv[1])
last = 0
while True:
    rows = DeltaTable(request["table"], storage_options=request["options"]).to_pyarrow_dataset()
    all_rows, distinct = duckdb.sql(
        "SELECT count(*), count(DISTINCT (event_hub, partition_id, sequence_number, enqueued_at)) FROM rows"
    ).fetchall()[0]
    assert all_rows == distinct, f"{all_rows} rows, {distinct} distinct"
    assert all_rows >= last, f"{all_rows} rows after {last}"
    last = all_rows
    time.sleep(0.05)
