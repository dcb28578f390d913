//! What a program's `/metrics` says, and what `docs/metrics.md` says of it.

use std::collections::{BTreeMap, BTreeSet};

/// One metric as `/metrics` shows it.
#[derive(Debug, Default)]
pub struct Metric {
    pub help: String,
    pub kind: String,
    /// By name and labels, as written.
    pub samples: BTreeMap<String, f64>,
    pub labels: BTreeSet<String>,
}

impl Metric {
    /// Reads the Prometheus text format, strictly.
    pub fn parse(text: &str) -> BTreeMap<String, Metric> {
        let mut metrics = BTreeMap::<String, Metric>::new();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# ") {
                let (what, rest) = rest.split_once(' ').unwrap();
                let (name, rest) = rest.split_once(' ').unwrap();
                let metric = metrics.entry(name.to_owned()).or_default();
                assert!(metric.samples.is_empty(), "{name} comes in two places");
                match what {
                    "HELP" => metric.help = rest.to_owned(),
                    "TYPE" => metric.kind = rest.to_owned(),
                    _ => panic!("{line}"),
                }
                current = name.to_owned();
                continue;
            }
            let metric = metrics.get_mut(&current).unwrap_or_else(|| panic!("no TYPE before {line}"));
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} under {current}"));
            let allowed: &[&str] = if metric.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(allowed.contains(&suffix), "{line} in a {}", metric.kind);
            for label in labels.strip_suffix('}').unwrap().split(',').filter(|label| !label.is_empty()) {
                let (key, value) = label.split_once('=').unwrap();
                assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
                if key != "le" {
                    metric.labels.insert(key.to_owned());
                }
            }
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value.is_finite() && (metric.kind == "gauge" || value >= 0.0), "{line}");
            assert!(metric.samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
        }
        for (name, metric) in &metrics {
            assert!(!metric.help.is_empty() && !metric.samples.is_empty(), "{name}: {metric:?}");
            assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
            if metric.kind == "histogram" && metric.labels.is_empty() {
                let all = metric.samples[&format!("{name}_bucket{{le=\"+Inf\"}}")];
                assert_eq!(all, metric.samples[&format!("{name}_count")], "{name}");
                assert!(all > 0.0 && metric.samples[&format!("{name}_sum")] >= 0.0, "{name}");
            }
        }
        metrics
    }

    /// What is documented of it: type, labels and meaning.
    pub fn described(self) -> Described {
        (self.kind, self.labels, self.help)
    }
}

/// Type, labels and meaning.
pub type Described = (String, BTreeSet<String>, String);

/// The rows of the documented tables whose names begin so.
pub fn documented(prefix: &str) -> BTreeMap<String, Described> {
    let text = include_str!("../../../docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with(&format!("| `{prefix}")));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else { panic!("{line}") };
        assert!(!unit.is_empty(), "{line}");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (name.trim_matches('`').to_owned(), (kind.to_owned(), labels, meaning.to_owned()))
    };
    rows.map(row).collect()
}
