-- The newest event of every user, deletes included, of what is no longer in the history. Here latest_user_state looks
-- through the history itself: keeping a row a user up to date would make every load twice as long.
CREATE TABLE IF NOT EXISTS latest_user_events (
    id int PRIMARY KEY,
    name varchar,
    age int,
    op varchar,
    ts timestamp,
    event_order bigint,
    enqueued_at timestamp,
    sequence_number bigint
);
