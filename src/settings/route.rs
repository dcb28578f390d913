use std::fmt;

use clap::Args;

use super::Faults;
use crate::capture::Hub;
use crate::formats::FormatName;
use crate::lake::LakeAddress;
use crate::registry::RegistryAddress;

/// The flag of every program that loads or looks at what was loaded.
#[derive(Debug, Clone, Args)]
pub(super) struct RouteArgs {
    /// Which event hub's records go into which table; several separated by commas. A table delta:URL or delta:./DIR is a
    /// Delta table (docs/lake.md), for loader only. Behind its table a route may say
    /// format=json-batch, cloudevents, debezium, avro or protobuf, validate=true and registry=URL (docs/formats.md), and
    /// tombstones=skip: count its records without a body, and do not reject them
    #[arg(
        long = "route",
        env = "DELTAWAVE_ROUTE",
        value_name = "HUB=TABLE[,OPTION=VALUE]",
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
    /// The table, with its schema if it is not in `public`; of a Delta table `delta:` and where it is.
    pub table: String,
    /// Where the table is, if it is a Delta table.
    pub lake: Option<LakeAddress>,
    /// What becomes of records without a body.
    pub tombstones: Tombstones,
    /// What bodies are.
    pub format: FormatName,
    /// Whether JSON is held against its schema.
    pub validate: bool,
    /// The schema registry of its own, if it has one.
    pub registry: Option<RegistryAddress>,
}

/// What becomes of records without a body, by which change streams say that a key is gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tombstones {
    /// They are rejected: nothing was to have none.
    #[default]
    Reject,
    /// They are counted, and that is all.
    Skip,
}

/// What a route may say behind its table. No hub is called so in a route.
const OPTIONS: [&str; 4] = ["tombstones", "format", "validate", "registry"];

impl Route {
    /// A route that says nothing else.
    pub fn new(hub: Hub, table: &str) -> Self {
        Route {
            hub,
            table: table.to_owned(),
            lake: None,
            tombstones: Tombstones::default(),
            format: FormatName::default(),
            validate: false,
            registry: None,
        }
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        match (option, value) {
            ("tombstones", "skip") => self.tombstones = Tombstones::Skip,
            ("tombstones", "reject") => self.tombstones = Tombstones::Reject,
            ("format", name) => self.format = name.parse()?,
            ("validate", "true") => self.validate = true,
            ("validate", "false") => self.validate = false,
            ("validate", _) => return Err(format!("`{option}={value}` is neither validate=true nor validate=false")),
            ("registry", address) => {
                self.registry = Some(address.parse().map_err(|fault| format!("registry= {fault}"))?)
            }
            _ => return Err(format!("`{option}={value}` is neither tombstones=skip nor tombstones=reject")),
        }
        Ok(())
    }
}

/// As it stands in `--route`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.hub.name(), self.table)
    }
}

impl RouteArgs {
    /// The routes of the namespace's hubs into SQL tables, for programs that look at no others.
    pub(super) fn check(self, namespace: &str, faults: &mut Faults) -> Option<Vec<Route>> {
        let routes = self.check_all(namespace, faults)?;
        let lakes: Vec<_> = routes.iter().filter(|route| route.lake.is_some()).collect();
        for route in &lakes {
            faults.add(
                "--route",
                format_args!(
                    "`{route}` leads into a Delta table, which only `loader` knows (docs/lake.md); leave it out"
                ),
            );
        }
        lakes.is_empty().then(|| routes.clone())
    }

    /// The routes of the namespace's hubs; a hub may stand once with a SQL table, and once with a Delta table.
    pub(super) fn check_all(self, namespace: &str, faults: &mut Faults) -> Option<Vec<Route>> {
        let (mut routes, mut sound): (Vec<Route>, bool) = (Vec::new(), true);
        for text in &self.routes {
            let option = text.split_once('=').filter(|(name, _)| OPTIONS.contains(name));
            let checked = match (option, routes.last_mut()) {
                (Some((option, value)), Some(route)) => route.set(option, value),
                (Some((option, _)), None) => {
                    Err(format!("`{option}` says something of the route before it; there is none"))
                }
                (None, _) => route(namespace, text).and_then(|route| {
                    let same = |other: &Route| other.hub == route.hub && other.lake.is_some() == route.lake.is_some();
                    if routes.iter().any(same) {
                        let hub = route.hub.name();
                        return Err(format!("`{hub}` stands twice; run a second loader for a second table"));
                    }
                    routes.push(route);
                    Ok(())
                }),
            };
            sound &= faults.check("--route", checked).is_some();
        }
        for route in routes.iter().filter(|route| route.validate && route.format != FormatName::Json) {
            faults.add(
                "--route",
                format_args!("validate=true is for format=json, and {route} has format={}", route.format),
            );
            sound = false;
        }
        sound.then_some(routes)
    }
}

fn route(namespace: &str, text: &str) -> Result<Route, String> {
    match text.split_once('=') {
        Some((hub, table)) if !table.is_empty() => {
            let route =
                Hub::new(namespace, hub).map(|hub| Route::new(hub, table)).map_err(|error| error.to_string())?;
            match table.strip_prefix("delta:") {
                None => Ok(route),
                Some(place) => {
                    let lake: LakeAddress = place.parse()?;
                    Ok(Route { table: format!("delta:{lake}"), lake: Some(lake), ..route })
                }
            }
        }
        _ => Err(format!("`{text}` is not HUB=TABLE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str]) -> Result<Vec<Route>, String> {
        let mut faults = Faults::default();
        let routes = RouteArgs { routes: texts.iter().map(|text| (*text).to_owned()).collect() };
        let routes = routes.check("local", &mut faults);
        faults.finish(routes).map_err(|faults| faults.to_string())
    }

    #[test]
    fn options_stand_behind_their_route() {
        let routes = check(&["a=t", "b=u", "tombstones=skip", "c=v", "tombstones=reject"]).unwrap();
        let found: Vec<_> =
            routes.iter().map(|route| (route.hub.name(), route.table.as_str(), route.tombstones)).collect();
        let (reject, skip) = (Tombstones::Reject, Tombstones::Skip);
        assert_eq!(found, [("a", "t", reject), ("b", "u", skip), ("c", "v", reject)]);
        let formats = check(&["a=t", "format=debezium", "tombstones=skip", "b=u"]).unwrap();
        assert_eq!(formats.iter().map(|route| route.format.name()).collect::<Vec<_>>(), ["debezium", "json"]);
        for (texts, fault) in [
            (&["a=t", "format=xml"][..], "`xml` is no format; there are json, json-batch"),
            (&["tombstones=skip", "a=t"], "`tombstones` says something of the route before it"),
            (&["a=t", "tombstones=keep"], "`tombstones=keep` is neither tombstones=skip nor"),
            (&["a=t", "a=u"], "`a` stands twice"),
            (&["a"], "`a` is not HUB=TABLE"),
        ] {
            let said = check(texts).unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
    }
}
