-- Records that were deleted because someone asked to be forgotten: which they were, and nothing of what was in them.
CREATE TABLE IF NOT EXISTS forgotten_records (
    target varchar,
    event_hub varchar,
    partition_id int,
    sequence_number bigint,
    enqueued_at timestamp,
    rejected boolean,
    forgotten_at timestamp,
    PRIMARY KEY (target, event_hub, partition_id, sequence_number, enqueued_at)
);
