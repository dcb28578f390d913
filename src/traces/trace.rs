use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::export::{TraceError, TraceSettings, provider};

/// How long what was gathered may take to be sent at the end.
const FAREWELL: Duration = Duration::from_secs(3);

static ON: OnceLock<(SdkTracerProvider, SdkTracer)> = OnceLock::new();

/// Sends what is traced from now on, by this runtime, if a collector is named.
///
/// # Errors
/// When it is named in a way that leads nowhere.
pub fn start(settings: &TraceSettings, runtime: &tokio::runtime::Handle) -> Result<(), TraceError> {
    if let Some(provider) = provider(settings, runtime)? {
        let tracer = provider.tracer("deltawave");
        let _ = ON.set((provider, tracer));
    }
    Ok(())
}

/// Sends what was gathered last, within seconds. Blocks; the runtime must still be there.
pub fn finish() {
    if let Some((provider, _)) = ON.get() {
        let _ = provider.shutdown_with_timeout(FAREWELL);
    }
}

/// A moment, where it will be of use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment(Option<SystemTime>);

impl Moment {
    /// Whether anything is traced at all.
    pub fn is_known(self) -> bool {
        self.0.is_some()
    }
}

/// Now.
pub fn now() -> Moment {
    Moment(ON.get().map(|_| SystemTime::now()))
}

/// What is done to one thing. Its clones are of the same; it ends with the last of them.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<Context>);

impl Trace {
    /// Begins one; `since` is when it really began.
    pub fn begin(name: &'static str, since: Moment, attributes: impl FnOnce() -> Vec<KeyValue>) -> Self {
        let Some((_, tracer)) = ON.get() else { return Trace(None) };
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Consumer).with_attributes(attributes());
        let builder = match since.0 {
            Some(since) => builder.with_start_time(since),
            None => builder,
        };
        let span = tracer.build_with_context(builder, &Context::new());
        Trace(Some(Context::new().with_span(span)))
    }

    /// Under which it is found, for the log.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id().to_string())
    }

    /// Notes a step of it that began then and has ended now.
    pub fn step(&self, name: &'static str, since: Moment, attributes: impl FnOnce() -> Vec<KeyValue>) {
        self.step_until(name, since, now(), attributes);
    }

    /// The same of one that ended then.
    pub fn step_until(
        &self,
        name: &'static str,
        since: Moment,
        until: Moment,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) {
        use opentelemetry::trace::Span as _;
        let (Some(parent), Some((_, tracer))) = (&self.0, ON.get()) else { return };
        let (Some(since), Some(until)) = (since.0, until.0) else { return };
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal).with_start_time(since);
        tracer.build_with_context(builder.with_attributes(attributes()), parent).end_with_timestamp(until);
    }

    /// Adds what became known of it.
    pub fn tell(&self, attributes: impl FnOnce() -> Vec<KeyValue>) {
        if let Some(context) = &self.0 {
            context.span().set_attributes(attributes());
        }
    }

    /// It went wrong.
    pub fn failed(&self, reason: impl FnOnce() -> String) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(reason()));
        }
    }

    /// It went well, and is over, whoever else still has it.
    pub fn done(&self) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::Ok);
            context.span().end();
        }
    }
}

/// An attribute.
pub fn said(key: &'static str, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(key, value)
}

/// One that is a count.
pub fn counted(key: &'static str, count: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_collector_nothing_is_even_put_into_words() {
        fn never<T>() -> T {
            panic!("nobody is to be told")
        }
        let trace = Trace::begin("file", now(), never);
        for _ in 0..100_000 {
            trace.clone().step("step", now(), never);
        }
        trace.tell(never);
        trace.failed(never);
        trace.done();
        assert!(!now().is_known() && trace.id().is_none());
    }
}
