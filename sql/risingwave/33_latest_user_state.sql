-- The latest state of every user: the newest event of its id, unless that is a delete.
CREATE VIEW IF NOT EXISTS latest_user_state AS
SELECT id, name, age, op, ts
FROM latest_user_events
WHERE op <> 'delete';
