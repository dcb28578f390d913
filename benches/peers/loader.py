"""A Python loader of the same job, to compare with: Capture files on Blob into the same PostgreSQL tables.

Everything is what one would choose for speed: fastavro's C reader, orjson, and psycopg 3, whose executemany sends its
rows in pipelines. One transaction a file holds its rows and its ledger row.
"""

import argparse
import io
from datetime import datetime
from multiprocessing import Process

import fastavro
import orjson
import psycopg
from azure.storage.blob import ContainerClient

# One that Azurite knows, too.
API_VERSION = "2025-07-05"

INSERT = """
INSERT INTO user_event_log (id, name, age, op, event_order, ts, event_hub, partition_id, sequence_number, enqueued_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (event_hub, partition_id, sequence_number, enqueued_at) DO NOTHING
"""

REJECT = """
INSERT INTO rejected_events (target, event_hub, partition_id, sequence_number, enqueued_at, blob, reason, body_bytes)
VALUES ('user_event_log', %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""

DONE = "SELECT blob, etag FROM capture_files WHERE container = %s AND target = 'user_event_log'"

LEDGER = """
INSERT INTO capture_files (container, target, blob, etag, size, event_hub, partition_id, window_start,
    first_sequence_number, last_sequence_number, records, loaded, rejected, status, loaded_at)
VALUES (%s, 'user_event_log', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'loaded', now())
ON CONFLICT (container, target, blob) DO UPDATE SET etag = excluded.etag, records = excluded.records
"""


class Times(dict):
    """Parsed enqueued times: neighbours share their second."""

    def __missing__(self, text):
        self[text] = time = datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p")
        return time


def rows(events, hub, partition, rejects):
    times = Times()
    for event in events:
        number, enqueued = event["SequenceNumber"], times[event["EnqueuedTimeUtc"]]
        try:
            body = orjson.loads(event["Body"])
            yield (
                body["id"], body.get("name"), body.get("age"), body["op"], body["event_order"], body.get("ts"),
                hub, partition, number, enqueued,
            )
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            rejects.append((hub, partition, number, enqueued, repr(error), event["Body"]))


def load(container, connection, blob):
    _, hub, partition, *start = blob.name.removesuffix(".avro").split("/")
    content = container.download_blob(blob.name).readall()
    events = list(fastavro.reader(io.BytesIO(content)))
    numbers = [event["SequenceNumber"] for event in events]
    rejects = []
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(INSERT, rows(events, hub, int(partition), rejects))
        for *envelope, reason, body in rejects:
            cursor.execute(REJECT, (*envelope, blob.name, reason, body))
        cursor.execute(LEDGER, (
            container.container_name, blob.name, blob.etag, blob.size, hub, int(partition), datetime(*map(int, start)),
            min(numbers, default=None), max(numbers, default=None), len(events), len(events) - len(rejects),
            len(rejects),
        ))


def share(arguments, index):
    """One process's share of the files."""
    container = ContainerClient.from_container_url(
        arguments.container_url, credential=arguments.account_key, api_version=API_VERSION
    )
    with psycopg.connect(arguments.store_url, autocommit=True) as connection:
        done = dict(connection.execute(DONE, (container.container_name,)).fetchall())
        for position, blob in enumerate(container.list_blobs(name_starts_with=arguments.prefix)):
            if position % arguments.processes == index and done.get(blob.name) != blob.etag:
                load(container, connection, blob)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--container-url", required=True)
    parser.add_argument("--account-key", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--store-url", required=True)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    processes = [Process(target=share, args=(arguments, index)) for index in range(arguments.processes)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    raise SystemExit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main()
