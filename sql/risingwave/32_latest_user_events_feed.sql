-- Takes every event of the history there, those that are there already first. What is deleted from the history, as by
-- retention, stays there.
CREATE SINK IF NOT EXISTS latest_user_events_feed INTO latest_user_events AS
SELECT id, name, age, op, ts, event_order, enqueued_at, sequence_number
FROM user_event_log
WITH (type = 'append-only', force_append_only = 'true');
