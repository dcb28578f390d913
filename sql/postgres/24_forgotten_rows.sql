-- Rows of records that have several, deleted because someone asked to be forgotten: which they were, and nothing of what
-- was in them. The record's other rows stay.
CREATE TABLE IF NOT EXISTS forgotten_rows (
    target varchar,
    event_hub varchar,
    partition_id int,
    sequence_number bigint,
    enqueued_at timestamp,
    event_index int,
    forgotten_at timestamp,
    PRIMARY KEY (target, event_hub, partition_id, sequence_number, enqueued_at, event_index)
);
