"""Takes a row away, and adds one a second time, as another program may."""

import json
import sys

import duckdb
from deltalake import DeltaTable, write_deltalake

from answer import answer

request = json.loads(sys.argv[1])
table = DeltaTable(request["table"], storage_options=request["options"])
table.delete(request["more"]["delete"])
partition, number = request["more"]["copy"]
table = DeltaTable(request["table"], storage_options=request["options"])
rows = table.to_pyarrow_dataset()
row = duckdb.sql(f"SELECT * FROM rows WHERE partition_id = {partition} AND sequence_number = {number}").to_arrow_table()
write_deltalake(table, row, mode="append")
answer({})
