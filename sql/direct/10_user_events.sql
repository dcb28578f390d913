-- The seconds-fresh path: RisingWave reads the events from Kafka itself, without Capture. History then lasts as long as
-- the topic's retention. Fill in the bootstrap servers and the topic.
CREATE SOURCE IF NOT EXISTS user_events (
    id int,
    name varchar,
    age int,
    op varchar,
    event_order bigint,
    ts timestamp
) WITH (
    connector = 'kafka',
    topic = 'user-events',
    properties.bootstrap.server = 'localhost:29092',
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;
