-- Sequence numbers missing between two loaded files of a partition. The first file of a partition may start anywhere:
-- Capture may have been switched on late.
CREATE OR REPLACE VIEW capture_gaps AS
SELECT
    target,
    event_hub,
    partition_id,
    previous_last + 1 AS first_missing,
    first_sequence_number - 1 AS last_missing,
    blob AS next_blob
FROM (
    SELECT
        target, event_hub, partition_id, blob, first_sequence_number,
        max(last_sequence_number) OVER (
            PARTITION BY target, event_hub, partition_id
            ORDER BY first_sequence_number
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS previous_last
    FROM capture_files
    WHERE records > 0
) AS spans
WHERE first_sequence_number > previous_last + 1;
