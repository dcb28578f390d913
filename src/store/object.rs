//! One table or view of ours, or what feeds one.

use super::error::StoreError;
use super::session::{Kind, Session};

/// What an object of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Table,
    View,
    /// What brings events from the history to another table: a sink on RisingWave, a trigger on PostgreSQL.
    Feed,
}

/// One object of ours, and the statements that make it on each engine if it is not there.
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) what: What,
    pub(super) risingwave: &'static str,
    pub(super) postgres: &'static str,
}

/// An object whose statements stand in a file of that number and name for each engine.
macro_rules! object {
    ($file:literal, $name:literal, $what:ident) => {
        $crate::store::object::Object {
            name: $name,
            what: $crate::store::object::What::$what,
            risingwave: include_str!(concat!("../../sql/risingwave/", $file, "_", $name, ".sql")),
            postgres: include_str!(concat!("../../sql/postgres/", $file, "_", $name, ".sql")),
        }
    };
}
pub(super) use object;

impl Object {
    pub(super) async fn create(&self, session: &Session) -> Result<(), StoreError> {
        let script = match session.kind() {
            Kind::RisingWave => self.risingwave,
            Kind::PostgreSql => self.postgres,
        };
        session.execute_script(script).await
    }

    pub(super) async fn drop(&self, session: &Session) -> Result<(), StoreError> {
        let name = self.name;
        let script = match (self.what, session.kind()) {
            (What::Table, _) => format!("DROP TABLE IF EXISTS {name}"),
            (What::View, _) => format!("DROP VIEW IF EXISTS {name}"),
            (What::Feed, Kind::RisingWave) => format!("DROP SINK IF EXISTS {name}"),
            // With the trigger of that name.
            (What::Feed, Kind::PostgreSql) => format!("DROP FUNCTION IF EXISTS {name} CASCADE"),
        };
        session.execute_script(&script).await
    }
}
