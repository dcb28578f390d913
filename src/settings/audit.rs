use clap::Args;

use super::mapping::MappingArgs;
use super::rowing::RowingArgs;
use super::scope::ScopeArgs;
use super::verify::{VerifyArgs, VerifySettings};
use super::{Faults, LoaderSettings, Route, Rowing};
use crate::capture::Scope;

/// Flags of `deltawave verify`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    verify: VerifyArgs,
    /// Also read the files again and compare every value of every record with the row in the table; needs --blob
    #[arg(long, env = "DELTAWAVE_DEEP")]
    deep: bool,
    /// Also make the latest state of every row anew from the files, and compare it with the view that shows it; needs
    /// --blob
    #[arg(long, env = "DELTAWAVE_STATE")]
    state: bool,
    /// With --state: look at about so many rows, the same ones each time, rather than at all, which are kept in memory
    #[arg(long, value_name = "N", requires = "state")]
    keys: Option<usize>,
    /// With --state: the view [default: latest_user_state, or latest_TABLE as `deltawave table` names it]
    #[arg(long, value_name = "VIEW", requires = "state")]
    view: Option<String>,
    #[command(flatten)]
    rowing: RowingArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    mapping: MappingArgs,
}

/// Validated settings of `verify`.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// What is counted.
    pub verify: VerifySettings,
    /// What is read again, and held against what is there.
    pub reading: Option<ReadingSettings>,
}

/// What is read again, and for what.
#[derive(Debug, Clone)]
pub struct ReadingSettings {
    /// Which files.
    pub scope: Scope,
    /// How they become rows.
    pub loader: LoaderSettings,
    /// Whether their rows are compared with the table's.
    pub deep: bool,
    /// The latest state that is made anew, by the table.
    pub states: Vec<StateSettings>,
}

/// A latest state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// The table with its history.
    pub table: String,
    /// The view that shows it.
    pub view: String,
    /// What it is told by.
    pub rowing: Rowing,
    /// How many rows are looked at; all where nothing is said.
    pub keys: Option<usize>,
}

/// The table whose latest state `deltawave init` makes.
const USERS: &str = "user_event_log";

impl AuditArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<AuditSettings, Faults> {
        let mut faults = Faults::default();
        let reads = self.deep || self.state;
        let is_part = self.scope.is_part();
        let scope = self.scope.check(&mut faults);
        if is_part && !reads {
            faults.add(
                "--from, --until, --partition",
                "say which files --deep and --state read; without these all is counted",
            );
        }
        let rowing = self.rowing.check(&mut faults);
        if !rowing.key.is_empty() && !self.state {
            faults.add("--key", "says how --state tells the latest state");
        }
        if self.keys == Some(0) {
            faults.add("--keys", "nothing is proven by no row");
        }
        let verify = match self.verify.validate() {
            Ok(verify) => Some(verify),
            Err(more) => {
                faults.extend(more);
                None
            }
        };
        if reads && verify.as_ref().is_some_and(|verify| verify.blob.is_none()) {
            faults.add("--blob", "is missing: --deep and --state read the files again, and it says where they are");
        }
        for route in verify.iter().filter(|_| reads).flat_map(|verify| &verify.check.lakes) {
            faults.add(
                "--deep, --state",
                format_args!(
                    "read tables of a store, and `{route}` leads into a Delta table; leave the one or the other out"
                ),
            );
        }
        let routes = verify.as_ref().map(|verify| verify.check.routes.as_slice()).unwrap_or_default();
        let states = if self.state { states(routes, &rowing, self.view, self.keys, &mut faults) } else { Vec::new() };
        let loader = self.mapping.check(verify.as_ref(), 1, &mut faults);
        let settings = (|| {
            let reading = match reads {
                true => Some(ReadingSettings { scope: scope?, loader: loader?, deep: self.deep, states }),
                false => None,
            };
            Some(AuditSettings { verify: verify?, reading })
        })();
        faults.finish(settings)
    }
}

/// The latest state of each table. Only one may be another than the one that `init` makes, since the flags tell of one.
fn states(
    routes: &[Route],
    rowing: &Rowing,
    view: Option<String>,
    keys: Option<usize>,
    faults: &mut Faults,
) -> Vec<StateSettings> {
    let (mut states, mut told) = (Vec::<StateSettings>::new(), Vec::new());
    for Route { table, .. } in routes {
        if states.iter().any(|state| state.table == *table) {
            continue;
        }
        let (view, rowing) = if table == USERS && rowing.key.is_empty() {
            let delete_when = Some(("op".to_owned(), "delete".to_owned()));
            let rowing = Rowing { key: vec!["id".to_owned()], order: vec!["event_order".to_owned()], delete_when };
            (view.clone().unwrap_or_else(|| "latest_user_state".to_owned()), rowing)
        } else {
            told.push(table.as_str());
            let (schema, name) = table.rsplit_once('.').map_or((None, table.as_str()), |(s, n)| (Some(s), n));
            let own = format!("latest_{}", name.trim_matches('"'));
            let own = schema.map_or_else(|| own.clone(), |schema| format!("{schema}.{own}"));
            (view.clone().unwrap_or(own), rowing.clone())
        };
        states.push(StateSettings { table: table.clone(), view, rowing, keys });
    }
    if rowing.key.is_empty() && !told.is_empty() {
        let text = format!(
            "what names a row of {}: say --key, and --order and --delete-when, as `deltawave table` was told",
            told.join(", ")
        );
        faults.add("--state", text);
    }
    if told.len() > 1 {
        faults.add("--state", format_args!("--key tells of one table, and routes lead to {}", told.join(", ")));
    }
    states
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        audit: AuditArgs,
    }

    fn validate(flags: &[&str]) -> Result<AuditSettings, String> {
        let cli = Cli::try_parse_from(["verify"].iter().chain(flags)).map_err(|error| error.to_string())?;
        cli.audit.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn files_are_read_again_only_when_asked_for() {
        assert!(validate(&[]).unwrap().reading.is_none());
        assert!(validate(&["--deep"]).unwrap_err().contains("error: --blob: is missing"));
        assert!(validate(&["--partition", "1"]).unwrap_err().contains("say which files --deep and --state read"));
        let reading = validate(&["--deep", "--blob", "/tmp", "--partition", "1"]).unwrap().reading.unwrap();
        assert!(reading.deep && reading.states.is_empty());
        assert_eq!(reading.scope.partitions.len(), 1);
    }

    #[test]
    fn a_latest_state_is_told_by_its_key() {
        let states = |flags: &[&str]| {
            validate(&[&["--state", "--blob", "/tmp"], flags].concat()).map(|settings| settings.reading.unwrap().states)
        };
        let [users] = &states(&[]).unwrap()[..] else { panic!("one state") };
        assert_eq!((users.view.as_str(), users.rowing.key[0].as_str()), ("latest_user_state", "id"));
        let orders = ["--route", "orders=shop.orders"];
        let text = states(&orders).unwrap_err();
        assert!(text.contains("error: --state: what names a row of shop.orders"), "{text}");
        let flags = [&orders[..], &["--key", "no,line", "--order", "at", "--keys", "10"]].concat();
        let [orders] = &states(&flags).unwrap()[..] else { panic!("one state") };
        assert_eq!((orders.view.as_str(), orders.keys), ("shop.latest_orders", Some(10)));
        assert_eq!(orders.rowing.key, ["no", "line"]);
    }
}
