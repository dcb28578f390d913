//! Integration tests: the real programs against real protocols.
//!
//! | module | what it drives |
//! |---|---|
//! | `kafka` | the Kafka module against librdkafka's mock cluster |
//! | `producer` | the `producer` binary, and the library's entry point, against the same |

mod kafka;
mod producer;
