-- What was deleted for its age: one row for each partition of a target. The files it came from stay in capture_files, as
-- `pruned`, so that they are not loaded again. While rows are being deleted, kept is NULL.
CREATE TABLE IF NOT EXISTS pruned_ranges (
    target varchar,
    event_hub varchar,
    partition_id int,
    first_sequence_number bigint,
    last_sequence_number bigint,
    enqueued_before timestamp,
    kept bigint,
    pruned_at timestamp,
    PRIMARY KEY (target, event_hub, partition_id)
);
