//! The users that `deltawave init` makes, and what each of them may do.

use super::error::StoreError;
use super::fault::Fault;
use super::objects::{Grantable, grantable};
use super::session::{Kind, Session};
use crate::base::Secret;

/// A user of ours. Neither is a superuser, owns anything, or may change the shape of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Writes events, rejected events and the ledger, and reads everything.
    Loader,
    /// Reads everything.
    Reader,
}

impl User {
    /// As whom to connect.
    pub const fn name(self) -> &'static str {
        match self {
            User::Loader => "loader",
            User::Reader => "reader",
        }
    }

    fn rights(self, kind: Kind, on: &Grantable) -> &'static str {
        match (self, kind) {
            (User::Loader, _) if !on.is_table => "SELECT",
            // RisingWave overwrites by the table's own conflict behaviour; PostgreSQL's DO UPDATE asks for the right.
            (User::Loader, Kind::PostgreSql) if on.is_ledger => "SELECT, INSERT, UPDATE",
            (User::Loader, _) => "SELECT, INSERT",
            (User::Reader, _) => "SELECT",
        }
    }
}

/// Why a password cannot be given to a user. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// RisingWave asks for no password where it is empty.
    #[error("is empty, which would let everybody in; choose a long one")]
    Empty,
    /// Connection URLs hold it as it is.
    #[error("holds characters that a connection URL cannot hold as they are; use letters, digits and - . _ ~ only")]
    NotUrlSafe,
}

/// Whether a user may have this password.
///
/// # Errors
/// When it is empty or not URL-safe.
pub fn check_password(password: &Secret) -> Result<(), InvalidPassword> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    match password.expose() {
        "" => Err(InvalidPassword::Empty),
        text if text.chars().all(safe) => Ok(()),
        _ => Err(InvalidPassword::NotUrlSafe),
    }
}

/// RisingWave's second superuser of its own, whom it also lets in without a password until it is given one.
const ALSO_SUPERUSER: &str = "postgres";

/// Sets the password of the user of this session; on RisingWave also of its built-in user `postgres`.
///
/// # Errors
/// When the password is not fit, or the store refuses. The error holds neither the password nor the statement.
pub async fn set_own_password(session: &Session, password: &Secret) -> Result<(), StoreError> {
    let user = session.address().user().to_owned();
    set_password(session, "ALTER", &user, password).await?;
    if session.kind() == Kind::RisingWave && user != ALSO_SUPERUSER {
        match set_password(session, "ALTER", ALSO_SUPERUSER, password).await {
            Err(error) if error.fault() == Fault::Transient => return Err(error),
            // One that was dropped needs no password.
            Err(error) => tracing::debug!(%error, "user {ALSO_SUPERUSER} got no password"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Makes the user if there is none, sets its password, and grants what it needs on our tables and views.
///
/// # Errors
/// As [`set_own_password`]. It may be called again.
pub async fn set_user(session: &Session, user: User, password: &Secret) -> Result<(), StoreError> {
    let name = user.name();
    match session.kind() {
        // It logs statements that fail, passwords included: so none may.
        Kind::PostgreSql => {
            const THERE: &str = "SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = ";
            let there = session.query_number(&format!("{THERE}'{name}'")).await? > 0;
            set_password(session, if there { "ALTER" } else { "CREATE" }, name, password).await?;
        }
        Kind::RisingWave => {
            if let Err(refused) = set_password(session, "CREATE", name, password).await {
                // Of a user that is there already, the password can be changed.
                set_password(session, "ALTER", name, password).await.map_err(|error| error.adding(refused.reason()))?;
            }
        }
    }
    let database = session.address().database().replace('"', "\"\"");
    session.execute_script(&format!("GRANT CONNECT ON DATABASE \"{database}\" TO {name}")).await?;
    for on in grantable(session.kind()) {
        let rights = user.rights(session.kind(), &on);
        session.execute_script(&format!("GRANT {rights} ON {} TO {name}", on.object)).await?;
    }
    Ok(())
}

async fn set_password(session: &Session, verb: &str, user: &str, password: &Secret) -> Result<(), StoreError> {
    let what = format!("{verb} USER {user}");
    check_password(password)
        .map_err(|invalid| StoreError::permanent(session.address(), format!("{what}: the password {invalid}")))?;
    let quoted = user.replace('"', "\"\"");
    // It holds no quote: it was checked.
    let statement = Secret::new(format!("{verb} USER \"{quoted}\" WITH PASSWORD '{}'", password.expose()));
    let done = session.client().batch_execute(statement.expose()).await;
    done.map_err(|error| StoreError::of_secret(session.address(), &what, password, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_must_fit_into_a_url() {
        assert_eq!(check_password(&Secret::new("Az09-._~")), Ok(()));
        assert_eq!(check_password(&Secret::new("")), Err(InvalidPassword::Empty));
        for text in ["a b", "a'b", "a@b", "a/b", "a%b", "pässword", "a\nb", "a\\b"] {
            assert_eq!(check_password(&Secret::new(text)), Err(InvalidPassword::NotUrlSafe), "{text}");
        }
    }
}
