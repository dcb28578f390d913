//! Tests that need more than this process: one module per subject.
//!
//! | module | subject |
//! |---|---|
//! | `blob` | one conformance suite for every blob backend, and a storage service that misbehaves |

mod blob;
mod support;
