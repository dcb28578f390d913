use std::fmt;

use clap::Args;

use super::Faults;
use crate::capture::Hub;

/// The flag of every program that loads or looks at what was loaded.
#[derive(Debug, Clone, Args)]
pub(super) struct RouteArgs {
    /// Which event hub's records go into which table; several separated by commas
    #[arg(
        long = "route",
        env = "DELTAWAVE_ROUTE",
        value_name = "HUB=TABLE",
        value_delimiter = ',',
        default_value = "user-events=user_event_log"
    )]
    routes: Vec<String>,
}

/// One hub's way into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The event hub.
    pub hub: Hub,
    /// The table, with its schema if it is not in `public`.
    pub table: String,
}

/// As it stands in `--route`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.hub.name(), self.table)
    }
}

impl RouteArgs {
    /// The routes of the namespace's hubs; a hub may stand once.
    pub(super) fn check(self, namespace: &str, faults: &mut Faults) -> Option<Vec<Route>> {
        let mut routes: Vec<Route> = Vec::new();
        for text in &self.routes {
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
        (routes.len() == self.routes.len()).then_some(routes)
    }
}
