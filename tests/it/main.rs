//! The integration tests, in one binary so that they are linked once and share one Azurite, Kafka and PostgreSQL.
//!
//! | module | tests |
//! |---|---|
//! | `blob` | one conformance suite for every blob backend, and a storage service that misbehaves |
//! | `capture` | the `capture` binary between a broker and a container, killed and cut off |
//! | `kafka` | the Kafka module against librdkafka's mock cluster |
//! | `offline` | that components start, answer, survive a restart, and end with their owner |
//! | `producer` | the `producer` binary, and the library's entry point, against the same mock cluster |
//! | `support` | nothing: the shared components and names that no two tests share |
//!
//! What a test needs is fetched and started by the test run. A component that does not start fails every test that
//! wants it.

mod blob;
mod capture;
mod kafka;
mod offline;
mod producer;
mod support;
