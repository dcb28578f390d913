-- The ledger: one row for each Capture file that was loaded into a table, written after the file's rows are durable.
CREATE TABLE IF NOT EXISTS capture_files (
    container varchar,
    target varchar,
    blob varchar,
    etag varchar,
    size bigint,
    event_hub varchar,
    partition_id int,
    window_start timestamp,
    first_sequence_number bigint,
    last_sequence_number bigint,
    records bigint,
    loaded bigint,
    rejected bigint,
    status varchar,
    reason varchar,
    damaged_at bigint,
    loaded_at timestamp,
    skipped bigint,
    unmapped bigint,
    table_rows bigint,
    PRIMARY KEY (container, target, blob)
);
