use std::error::Error;

use opentelemetry::KeyValue;
use opentelemetry_application_insights::Exporter;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;
use url::Url;

use super::courier::Courier;
use crate::base::Secret;

/// Spans that wait to be sent: those of the largest group of files. More are left out.
const MOST_WAITING: usize = 20_000;
const MOST_AT_ONCE: usize = 2_000;

/// Where traces go, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct TraceSettings {
    /// A collector's base address; it takes OTLP by HTTP at `/v1/traces` below.
    pub otlp: Option<String>,
    /// A connection string of Application Insights.
    pub application_insights: Option<Secret>,
    /// What the traces are of [default: the program's name].
    pub service: Option<String>,
}

/// Why nothing can be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No address of a collector. It is not repeated: it may hold a password.
    #[error(
        "--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) is no address of a collector like http://localhost:4318, without \
         a user or a query; a key goes into OTEL_EXPORTER_OTLP_HEADERS"
    )]
    Address,
    /// No connection string. It is not repeated.
    #[error(
        "--application-insights (APPLICATIONINSIGHTS_CONNECTION_STRING) is no connection string ({0}); copy it from the \
         component's overview: InstrumentationKey=…;IngestionEndpoint=https://…"
    )]
    ConnectionString(String),
    /// Something else stands in the way of an exporter.
    #[error("traces cannot be sent: {0}")]
    Exporter(#[source] Box<dyn Error + Send + Sync>),
}

/// Nothing where nobody is named to send to.
pub(super) fn provider(settings: &TraceSettings, runtime: &Handle) -> Result<Option<SdkTracerProvider>, TraceError> {
    let mut processors = Vec::new();
    if let Some(address) = &settings.otlp {
        let endpoint = endpoint(address)?;
        let to = endpoint.host_str().unwrap_or_default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier::new(to, runtime).map_err(TraceError::Exporter)?)
            .with_endpoint(endpoint.as_str())
            .build()
            .map_err(|error| TraceError::Exporter(error.into()))?;
        processors.push(processor(exporter));
        tracing::info!(%endpoint, "sending traces");
    }
    if let Some(text) = &settings.application_insights {
        let courier = Courier::new("Application Insights", runtime).map_err(TraceError::Exporter)?;
        let exporter = Exporter::new_from_connection_string(text.expose(), courier)
            .map_err(|error| TraceError::ConnectionString(error.to_string()))?;
        processors.push(processor(exporter));
        tracing::info!("sending traces to Application Insights");
    }
    if processors.is_empty() {
        return Ok(None);
    }
    let mut builder = SdkTracerProvider::builder().with_resource(resource(settings));
    for processor in processors {
        builder = builder.with_span_processor(processor);
    }
    Ok(Some(builder.build()))
}

fn endpoint(address: &str) -> Result<Url, TraceError> {
    let url: Url = format!("{}/v1/traces", address.trim_end_matches('/')).parse().map_err(|_| TraceError::Address)?;
    let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let fits = matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && bare;
    if fits { Ok(url) } else { Err(TraceError::Address) }
}

fn processor(exporter: impl opentelemetry_sdk::trace::SpanExporter + 'static) -> BatchSpanProcessor {
    let batch =
        BatchConfigBuilder::default().with_max_queue_size(MOST_WAITING).with_max_export_batch_size(MOST_AT_ONCE);
    BatchSpanProcessor::builder(exporter).with_batch_config(batch.build()).build()
}

fn resource(settings: &TraceSettings) -> Resource {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_stem()?.to_str()).unwrap_or("deltawave");
    let service = settings.service.clone().unwrap_or_else(|| program.to_owned());
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.namespace", "deltawave"),
            KeyValue::new("service.name", service),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_address() {
        for (address, wanted) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://otel.example/otlp/", "https://otel.example/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(address).unwrap().as_str(), wanted);
        }
        for address in ["localhost:4318", "grpc://h:4317", "", "https://h/?key=x", "https://u:p@h"] {
            assert!(endpoint(address).is_err(), "{address}");
        }
    }
}
