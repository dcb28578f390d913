use clap::Args;

use super::{Faults, Route};
use crate::rows::Epoch;

/// The flag that says what the catalog cannot.
#[derive(Debug, Clone, Args)]
pub(super) struct ColumnArgs {
    /// Take numbers in a timestamp or timestamptz column as time since 1970, in seconds, milliseconds or microseconds;
    /// several separated by commas
    #[arg(
        long = "column",
        env = "DELTAWAVE_COLUMN",
        value_name = "TABLE.COLUMN=epoch-s|epoch-ms|epoch-us",
        value_delimiter = ','
    )]
    columns: Vec<String>,
}

/// What numbers in one column count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRule {
    /// The table, as its route names it.
    pub table: String,
    /// The column.
    pub column: String,
    /// The unit.
    pub epoch: Epoch,
}

impl ColumnArgs {
    /// The rules; each must be of a table that some route has.
    pub(super) fn check(&self, routes: Option<&[Route]>, faults: &mut Faults) -> Option<Vec<ColumnRule>> {
        let mut rules = Vec::new();
        for text in &self.columns {
            let Some(rule) = faults.check("--column", parse(text)) else { continue };
            let is_routed = |routes: &[Route]| routes.iter().any(|route| route.table == rule.table);
            if !routes.is_none_or(is_routed) {
                faults.add("--column", format_args!("no --route leads into table `{}`", rule.table));
            }
            rules.push(rule);
        }
        (rules.len() == self.columns.len()).then_some(rules)
    }
}

fn parse(text: &str) -> Result<ColumnRule, String> {
    let parts =
        text.rsplit_once('=').and_then(|(name, unit)| Some((name.rsplit_once('.')?, unit.strip_prefix("epoch-")?)));
    let rule = parts.and_then(|((table, column), unit)| {
        let (table, column) = (table.to_owned(), column.to_owned());
        Some(ColumnRule { table, column, epoch: Epoch::parse(unit)? })
    });
    rule.filter(|rule| !rule.table.is_empty() && !rule.column.is_empty())
        .ok_or_else(|| format!("`{text}` is not TABLE.COLUMN=epoch-s, =epoch-ms or =epoch-us"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Hub;

    #[test]
    fn a_rule_names_a_routed_table_a_column_and_a_unit() {
        let routes = [Route::new(Hub::new("local", "orders").unwrap(), "sales.orders")];
        let check = |texts: &[&str]| {
            let mut faults = Faults::default();
            let columns = texts.iter().map(|text| (*text).to_owned()).collect();
            let rules = ColumnArgs { columns }.check(Some(&routes), &mut faults);
            faults.finish(rules).map_err(|faults| faults.to_string())
        };
        let rule =
            |column: &str, epoch| ColumnRule { table: "sales.orders".to_owned(), column: column.to_owned(), epoch };
        assert_eq!(
            check(&["sales.orders.at=epoch-ms", "sales.orders.done=epoch-s"]),
            Ok(vec![rule("at", Epoch::Milliseconds), rule("done", Epoch::Seconds)])
        );
        assert_eq!(check(&["t.at=epoch-us"]), Err("error: --column: no --route leads into table `t`".to_owned()));
        for text in ["at=epoch-ms", "t.at", "t.at=ms", "t.at=epoch-days", ".at=epoch-s"] {
            assert!(check(&[text]).unwrap_err().contains("is not TABLE.COLUMN=epoch-s"), "{text}");
        }
    }
}
