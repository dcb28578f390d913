//! Nothing was found: what stands beside it, and which setting would find it. For people.

use std::collections::BTreeSet;
use std::fmt;

use futures::StreamExt as _;

use crate::azure::blob::{BlobError, Container};
use crate::capture::{Hub, NameFormat};

/// Hubs that are named.
const MOST_HUBS: usize = 10;

/// Listings made.
const MOST_LOOKS: usize = 20;

/// What a container holds instead of a hub's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// In a sentence that ends with the cure.
    pub text: String,
    /// Whether it holds nothing at all, as before its first window is closed.
    pub is_empty: bool,
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Looks what a container holds instead of a hub's files.
pub async fn what_stands_there(container: &Container, format: &NameFormat, hub: &Hub) -> Instead {
    let wanted = format!("no file of event hub {} of namespace {}", hub.name(), hub.namespace());
    match look(container, format, hub).await {
        Ok(found) => {
            let text = format!("{wanted} in {}: {}", container.address(), found.explain(format, hub));
            Instead { text, is_empty: found == Found::default() }
        }
        Err(error) => Instead { text: format!("{wanted}: {error}"), is_empty: false },
    }
}

/// What was seen on a way through the container that leaves out what is more of the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// By their names in the format at hand.
    hubs: BTreeSet<Hub>,
    /// A format that fits, with the namespace as it stands there.
    other: Option<(NameFormat, Hub)>,
    /// A name that says nothing.
    foreign: Option<String>,
}

async fn look(container: &Container, format: &NameFormat, hub: &Hub) -> Result<Found, BlobError> {
    let mut found = Found::default();
    let mut from: Option<String> = None;
    for _ in 0..MOST_LOOKS {
        let mut pages = container.list("", from.as_deref());
        let mut next = None;
        while next.is_none()
            && let Some(page) = pages.next().await
        {
            let page = page?;
            for entry in &page {
                if let Some(name) = format.parse_any(&entry.name) {
                    // Past all of its files, where names begin with what is the same in them.
                    let prefix = format.prefix(&name.hub, None, None);
                    found.hubs.insert(name.hub);
                    next = (!prefix.is_empty()).then(|| prefix + "~");
                    break;
                }
                if found.other.is_none() {
                    found.other = NameFormat::guess(&entry.name, hub).map(|(format, name)| (format, name.hub));
                }
                if found.foreign.is_none() && entry.size > 0 {
                    found.foreign = Some(entry.name.clone());
                }
            }
            // A sample is enough: what follows a page without any is more of the same.
            if next.is_none() && !page.is_empty() {
                break;
            }
        }
        match next {
            Some(name) if found.hubs.len() < MOST_HUBS => from = Some(name),
            _ => break,
        }
    }
    Ok(found)
}

impl Found {
    fn explain(&self, format: &NameFormat, wanted: &Hub) -> String {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        let namesake = self.hubs.iter().find(|hub| hub.name() == wanted.name());
        let in_case = self.hubs.iter().find(|hub| {
            same(hub.name(), wanted.name())
                && (hub.namespace() == wanted.namespace() || same(hub.namespace(), wanted.namespace()))
        });
        if let Some(hub) = namesake {
            return format!("its files stand under namespace {0}: --namespace {0}", hub.namespace());
        }
        if let Some(hub) = in_case {
            let (namespace, name) = (hub.namespace(), hub.name());
            return format!(
                "there is {namespace}/{name}, and case counts: --namespace {namespace} --route {name}=TABLE"
            );
        }
        if !self.hubs.is_empty() {
            let hubs: Vec<_> = self.hubs.iter().map(Hub::to_string).collect();
            return format!("there are files of {}: check --route and --namespace", hubs.join(", "));
        }
        if let Some((format, hub)) = &self.other {
            let namespace = match hub.namespace() {
                namespace if namespace == wanted.namespace() => String::new(),
                namespace => format!(" --namespace {namespace}"),
            };
            return format!("its files are named otherwise: --name-format '{format}'{namespace}");
        }
        match &self.foreign {
            Some(name) => {
                format!("what is there has other names, such as {name}, not {format}: check --blob and --name-format")
            }
            None => "it is empty: check --blob, and that Capture is on and has closed a first window".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_would_find_files_is_named() {
        let hub = |namespace, name| Hub::new(namespace, name).unwrap();
        let wanted = hub("local", "user-events");
        let said = |hubs: &[Hub], other: Option<(&str, Hub)>, foreign: Option<&str>| {
            let found = Found {
                hubs: hubs.iter().cloned().collect(),
                other: other.map(|(format, hub)| (format.parse().unwrap(), hub)),
                foreign: foreign.map(str::to_owned),
            };
            found.explain(&NameFormat::default(), &wanted)
        };
        let orders = hub("contoso-prod", "orders");
        assert!(said(&[orders.clone(), hub("Contoso", "user-events")], None, None).ends_with("--namespace Contoso"));
        assert!(
            said(&[hub("local", "User-Events")], None, None)
                .contains("case counts: --namespace local --route User-Events=")
        );
        assert!(said(&[orders], None, None).starts_with("there are files of contoso-prod/orders: check"));
        let format = "{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}/{PartitionId}";
        let other = said(&[], Some((format, hub("ns1", "user-events"))), Some("a"));
        assert!(other.ends_with(&format!("--name-format '{format}' --namespace ns1")), "{other}");
        assert!(said(&[], None, Some("data.parquet")).contains("such as data.parquet"));
        assert!(said(&[], None, None).starts_with("it is empty"));
    }
}
