-- Every record that was loaded, once: the history. The primary key is what identifies a record; conflicts overwrite
-- (RisingWave's default), which is harmless because a repeat is identical, and fast.
CREATE TABLE IF NOT EXISTS user_event_log (
    id int,
    name varchar,
    age int,
    op varchar,
    event_order bigint,
    ts timestamp,
    event_hub varchar,
    partition_id int,
    sequence_number bigint,
    enqueued_at timestamp,
    PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)
);
