-- The same from Event Hubs, through its Kafka endpoint. Fill in the namespace and a connection string with Listen
-- rights; run this file instead of 10_user_events.sql.
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
    properties.bootstrap.server = 'NAMESPACE.servicebus.windows.net:9093',
    properties.security.protocol = 'SASL_SSL',
    properties.sasl.mechanism = 'PLAIN',
    properties.sasl.username = '$ConnectionString',
    properties.sasl.password = 'CONNECTION_STRING',
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;
