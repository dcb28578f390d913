use super::error::StoreError;
use super::session::{Cell, Session};

/// Who is there, and whether as a superuser. To be asked before every statement with a password, as a server logs those
/// that fail, whole.
pub(super) struct Roles(Vec<(String, bool)>);

impl Roles {
    pub(super) async fn of(session: &Session) -> Result<Self, StoreError> {
        let (_, rows) = session.query_text("SELECT rolname, rolsuper FROM pg_catalog.pg_roles").await?;
        let role = |row: Vec<Cell>| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            (cells.next().unwrap_or_default(), cells.next().is_some_and(|cell| cell == "t"))
        };
        Ok(Roles(rows.into_iter().map(role).collect()))
    }

    pub(super) fn has(&self, user: &str) -> bool {
        self.0.iter().any(|(name, _)| name == user)
    }

    pub(super) fn is_superuser(&self, user: &str) -> bool {
        self.0.iter().any(|(name, superuser)| name == user && *superuser)
    }
}
