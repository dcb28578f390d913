-- Records that do not fit their table, with the reason. A body that is no text stands in body_bytes.
CREATE TABLE IF NOT EXISTS rejected_events (
    target varchar,
    event_hub varchar,
    partition_id int,
    sequence_number bigint,
    enqueued_at timestamp,
    blob varchar,
    reason varchar,
    body varchar,
    body_bytes bytea,
    rejected_at timestamp,
    PRIMARY KEY (target, event_hub, partition_id, sequence_number, enqueued_at)
);
