"""Makes a table of these columns, as another program would."""

import json
import sys

from deltalake import DeltaTable, Field, Schema
from deltalake.schema import ArrayType, PrimitiveType

from answer import answer

request = json.loads(sys.argv[1])


def field(name, kind):
    kind, _, more = kind.partition(":")
    if kind == "array":
        return Field(name, ArrayType(PrimitiveType(more), contains_null=True))
    return Field(name, PrimitiveType(kind), metadata={"comment": f"deltawave: {more}"} if more else None)


columns = [field(name, kind) for name, kind in request["more"]["columns"]]
envelope = [
    ("event_hub", "string"),
    ("partition_id", "integer"),
    ("sequence_number", "long"),
    ("enqueued_at", "timestamp"),
    ("enqueued_date", "date"),
]
columns += [field(name, kind) for name, kind in envelope]
options = request["options"]
DeltaTable.create(
    request["table"], Schema(columns), partition_by=["enqueued_date"], storage_options=options
)
answer({})
