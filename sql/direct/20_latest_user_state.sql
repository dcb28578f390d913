-- The latest state of every user, from the source: the event with the highest event_order of its id, unless it is a
-- delete. A source takes nothing back, so RisingWave keeps one row a user for it.
CREATE MATERIALIZED VIEW IF NOT EXISTS latest_user_state AS
SELECT id, name, age, op, ts
FROM (
    SELECT
        id, name, age, op, ts,
        row_number() OVER (PARTITION BY id ORDER BY event_order DESC) AS newest
    FROM user_events
) AS ranked
WHERE newest = 1 AND op <> 'delete';
