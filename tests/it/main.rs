//! Tests that need more than this process: one module per subject.
//!
//! | module | subject |
//! |---|---|
//! | `blob` | one conformance suite for every blob backend, and a storage service that misbehaves |
//! | `producer` | the `producer` binary against librdkafka's mock cluster |

mod blob;
mod producer;
mod support;
