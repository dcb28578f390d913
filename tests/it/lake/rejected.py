"""The rejected records, as JSON."""

import json
import sys

from deltalake import DeltaTable

from answer import answer

request = json.loads(sys.argv[1])
table = DeltaTable(request["table"] + "__rejected", storage_options=request["options"])
rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["sequence_number"])
answer([{**row, "body_bytes": row["body_bytes"] and row["body_bytes"].hex()} for row in rows], default=str)
