-- The latest state of every user: the newest event of its id, unless that is a delete. Events are in order of their
-- event_order; ties go to what the broker took last.
CREATE OR REPLACE VIEW latest_user_state AS
SELECT id, name, age, op, ts
FROM (
    SELECT
        id, name, age, op, ts,
        row_number() OVER (
            PARTITION BY id
            ORDER BY event_order DESC NULLS LAST, enqueued_at DESC, sequence_number DESC
        ) AS newest
    FROM (
        SELECT id, name, age, op, ts, event_order, enqueued_at, sequence_number FROM user_event_log
        UNION ALL
        SELECT id, name, age, op, ts, event_order, enqueued_at, sequence_number FROM latest_user_events
    ) AS events
) AS ranked
WHERE newest = 1 AND op <> 'delete';
