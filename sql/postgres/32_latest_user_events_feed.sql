-- Keeps there what is deleted from the history, as by retention: of each user the newest event, by the same order as
-- latest_user_state.
CREATE OR REPLACE FUNCTION latest_user_events_feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In the order of the key, so that two deletes at once do not wait for each other.
    INSERT INTO latest_user_events AS kept
    SELECT DISTINCT ON (id) id, name, age, op, ts, event_order, enqueued_at, sequence_number
    FROM gone
    WHERE id IS NOT NULL
    ORDER BY id, event_order DESC NULLS LAST, enqueued_at DESC, sequence_number DESC
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name,
        age = excluded.age,
        op = excluded.op,
        ts = excluded.ts,
        event_order = excluded.event_order,
        enqueued_at = excluded.enqueued_at,
        sequence_number = excluded.sequence_number
    WHERE kept.event_order IS NULL
        OR (excluded.event_order, excluded.enqueued_at, excluded.sequence_number)
            >= (kept.event_order, kept.enqueued_at, kept.sequence_number);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER latest_user_events_feed AFTER DELETE ON user_event_log
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION latest_user_events_feed();
