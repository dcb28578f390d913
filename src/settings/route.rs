use super::Faults;
use crate::capture::Hub;

/// One hub's way into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The event hub.
    pub hub: Hub,
    /// The table, with its schema if it is not in `public`.
    pub table: String,
}

/// Reads `HUB=TABLE` texts; a hub may stand once.
pub(super) fn routes(namespace: &str, texts: &[String], faults: &mut Faults) -> Option<Vec<Route>> {
    let mut routes: Vec<Route> = Vec::new();
    for text in texts {
        let route = match text.split_once('=') {
            Some((hub, table)) if !table.is_empty() => Hub::new(namespace, hub)
                .map(|hub| Route { hub, table: table.to_owned() })
                .map_err(|error| error.to_string()),
            _ => Err(format!("`{text}` is not HUB=TABLE")),
        };
        match faults.check("--route", route) {
            Some(route) if routes.iter().any(|other| other.hub == route.hub) => {
                faults.add(
                    "--route",
                    format_args!("`{}` stands twice; run a second loader for a second table", route.hub.name()),
                );
            }
            route => routes.extend(route),
        }
    }
    (routes.len() == texts.len()).then_some(routes)
}
