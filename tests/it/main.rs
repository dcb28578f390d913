//! The integration tests, in one binary so that they are linked once and share one Azurite, Kafka and PostgreSQL.
//!
//! | module | tests |
//! |---|---|
//! | `offline` | that components start, answer, survive a restart, and end with their owner |
//! | `support` | nothing: the shared components and names that no two tests share |
//!
//! What a test needs is fetched and started by the test run. A component that does not start fails every test that
//! wants it.

mod offline;
mod support;
