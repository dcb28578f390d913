//! Integration tests: the real programs against real protocols.
//!
//! | module | what it drives |
//! |---|---|
//! | `producer` | the `producer` binary against librdkafka's mock cluster |

mod producer;
