-- The ledger: one row for each Capture file that was loaded into a table, written after the file's rows are durable.
-- Names are compared byte by byte, as blob storage lists them.
CREATE TABLE IF NOT EXISTS capture_files (
    container varchar,
    target varchar,
    blob varchar COLLATE "C",
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
    committed_at timestamp,
    last_enqueued_at timestamp,
    PRIMARY KEY (container, target, blob)
);
