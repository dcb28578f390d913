"""Adds rows of a partition that no hub has, and packs the table's files, until it is killed."""

import json
import sys
import time
from datetime import datetime, timezone

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

request = json.loads(sys.argv[1])
number = 0
while True:
    table = DeltaTable(request["table"], storage_options=request["options"])
    schema = pa.schema(table.schema().to_arrow())
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    row = {name: None for name in schema.names}
    row |= {"event_hub": "foreign", "partition_id": -1, "sequence_number": number, "enqueued_at": at}
    row |= {"enqueued_date": at.date()}
    rows = pa.Table.from_pylist([row], schema=schema)
    try:
        write_deltalake(table, rows, mode="append")
        number += 1
        if number % 5 == 0:
            table = DeltaTable(request["table"], storage_options=request["options"])
            table.optimize.compact()
    except CommitFailedError as error:
        print(error, file=sys.stderr)
    time.sleep(0.2)
