-- How far each partition has been loaded.
CREATE VIEW IF NOT EXISTS pipeline_progress AS
SELECT
    target,
    event_hub,
    partition_id,
    count(*) AS files,
    sum(records)::bigint AS records,
    sum(loaded)::bigint AS loaded,
    sum(rejected)::bigint AS rejected,
    max(last_sequence_number) AS last_sequence_number,
    max(window_start) AS newest_window,
    max(loaded_at) AS last_loaded_at
FROM capture_files
GROUP BY target, event_hub, partition_id;
