-- The latest state of every user: the event with the highest event_order of its id, tombstones included, so that a
-- late or repeated file cannot bring a deleted row back. Ties go to what the broker took last.
CREATE OR REPLACE VIEW latest_user_state AS
SELECT id, name, age, op, ts
FROM (
    SELECT
        id, name, age, op, ts,
        row_number() OVER (
            PARTITION BY id
            ORDER BY event_order DESC, enqueued_at DESC, sequence_number DESC
        ) AS newest
    FROM user_event_log
) AS ranked
WHERE newest = 1 AND op <> 'delete';
