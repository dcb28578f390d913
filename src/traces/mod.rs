//! What is done to each file, step by step, for whoever collects traces: an OpenTelemetry collector, or Application
//! Insights. Without a collector nothing is kept and no time is taken, so that programs need not ask whether there is one.

mod courier;
mod export;
mod trace;

pub use export::{TraceError, TraceSettings};
pub use opentelemetry::KeyValue;
pub use trace::{Moment, Trace, counted, finish, now, said, start};
