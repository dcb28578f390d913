use clap::Args;

use super::Faults;

/// Flags that say which rows are the latest.
#[derive(Debug, Clone, Args)]
pub(super) struct RowingArgs {
    /// Fields that name a row, several separated by commas: what its latest state is told by
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(super) key: Vec<String>,
    /// Fields by which a row's events follow each other, several separated by commas [default: the broker's order]
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', requires = "key")]
    order: Vec<String>,
    /// Which events are deletes, such as op=delete
    #[arg(long, value_name = "FIELD=VALUE", requires = "key")]
    delete_when: Option<String>,
}

/// Which rows are the latest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rowing {
    /// The fields that name a row; none for a table without a latest state.
    pub key: Vec<String>,
    /// Those by which its events follow each other.
    pub order: Vec<String>,
    /// The field and the value of it that mean a delete.
    pub delete_when: Option<(String, String)>,
}

impl RowingArgs {
    /// Which rows they say are the latest.
    pub(super) fn check(self, faults: &mut Faults) -> Rowing {
        let delete_when = match self.delete_when.as_deref().map(|text| text.split_once('=')) {
            None => None,
            Some(Some((field, value))) if !field.is_empty() => Some((field.to_owned(), value.to_owned())),
            Some(_) => {
                faults.add("--delete-when", "is not FIELD=VALUE, like op=delete");
                None
            }
        };
        for (flag, fields) in [("--key", &self.key), ("--order", &self.order)] {
            if fields.iter().any(String::is_empty) {
                faults.add(flag, "has an empty name among its fields");
            }
        }
        Rowing { key: self.key, order: self.order, delete_when }
    }
}
