-- The events as their producer sent them, without the envelope.
CREATE OR REPLACE VIEW user_events AS
SELECT id, name, age, op, event_order, ts FROM user_event_log;
