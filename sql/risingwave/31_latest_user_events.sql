-- The newest event of every user, deletes included, so that a late or repeated file cannot bring a deleted row back. An
-- event replaces another if its event_order is not lower; ties go to what the broker took last. One row a user, however
-- long the history is.
CREATE TABLE IF NOT EXISTS latest_user_events (
    id int PRIMARY KEY,
    name varchar,
    age int,
    op varchar,
    ts timestamp,
    event_order bigint,
    enqueued_at timestamp,
    sequence_number bigint
) ON CONFLICT OVERWRITE WITH VERSION COLUMN (event_order, enqueued_at, sequence_number);
