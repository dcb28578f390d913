//! The users that `deltawave init` makes, and what each of them may do.

use super::address::StoreAddress;
use super::error::StoreError;
use super::objects::{Loads, loads, names};
use super::roles::Roles;
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

    fn rights(self, kind: Kind, object: &str) -> &'static str {
        match (self, loads(object), kind) {
            (User::Reader, ..) | (_, Loads::Reads, _) => "SELECT",
            // RisingWave overwrites by the table's own conflict behaviour; PostgreSQL's DO UPDATE asks for the right.
            (User::Loader, Loads::Replaces, Kind::PostgreSql) => "SELECT, INSERT, UPDATE",
            (User::Loader, ..) => "SELECT, INSERT",
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

/// Superusers that RisingWave makes itself and lets in without a password until they are given one. The last is there
/// from 2.6 on, and nobody but itself may give it one.
const BUILT_IN: [&str; 3] = ["root", "postgres", ADMIN];

const ADMIN: &str = "rwadmin";

/// Sets the password of the user of this session; on RisingWave also of its built-in superusers. `rwadmin` has to be let
/// in for that, at `door`, the store's address without a password, or with one of those that are `known`. If none opens,
/// someone else gave it one, and it keeps that.
///
/// # Errors
/// When the password is not fit, or the store refuses. The error holds neither the password nor the statement.
pub async fn set_own_password(
    session: &Session,
    door: &StoreAddress,
    password: &Secret,
    known: &[Secret],
) -> Result<(), StoreError> {
    let own = session.address().user().to_owned();
    if session.kind() == Kind::RisingWave {
        let roles = Roles::of(session).await?;
        // First, so that whoever comes back after a crash still has what opens it: the password that opens root.
        if own != ADMIN && roles.has(ADMIN) {
            set_admin_password(door, password, known).await?;
        }
        for other in BUILT_IN {
            if other != own && other != ADMIN && roles.has(other) && roles.is_superuser(&own) {
                set_password(session, "ALTER", other, password).await?;
            }
        }
    }
    set_password(session, "ALTER", &own, password).await
}

async fn set_admin_password(door: &StoreAddress, password: &Secret, known: &[Secret]) -> Result<(), StoreError> {
    let tries = std::iter::once(password).chain(known).map(|password| door.with_user(ADMIN, password));
    for address in std::iter::once(door.passwordless(ADMIN)).chain(tries) {
        match Session::connect(&address).await {
            Ok(admin) => return set_password(&admin, "ALTER", ADMIN, password).await,
            Err(error) if error.needs_someone() => {}
            Err(error) => return Err(error),
        }
    }
    tracing::info!("user {ADMIN} does not let us in, so it keeps the password that someone else gave it");
    Ok(())
}

/// A user whom RisingWave lets in without a password, at `door`, the store's address without one: that of the session or
/// one of its built-in superusers.
///
/// # Errors
/// When the store is away.
pub async fn open_user(session: &Session, door: &StoreAddress) -> Result<Option<String>, StoreError> {
    let own = session.address().user();
    let roles = Roles::of(session).await?;
    let others = BUILT_IN.into_iter().filter(|user| *user != own && roles.has(user));
    for user in std::iter::once(own).chain(others) {
        match Session::connect(&door.passwordless(user)).await {
            Ok(_) => return Ok(Some(user.to_owned())),
            // Refused, for a password or for good.
            Err(error) if error.needs_someone() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Makes the user if there is none, sets its password, and grants what it needs on those of our tables and views that are
/// there.
///
/// # Errors
/// As [`set_own_password`]. It may be called again.
pub async fn set_user(session: &Session, user: User, password: &Secret) -> Result<(), StoreError> {
    let name = user.name();
    let verb = if Roles::of(session).await?.has(name) { "ALTER" } else { "CREATE" };
    set_password(session, verb, name, password).await?;
    let database = session.address().database().replace('"', "\"\"");
    session.execute_script(&format!("GRANT CONNECT ON DATABASE \"{database}\" TO {name}")).await?;
    grant_objects(session, user).await
}

/// Grants the user, if it is there, what it needs on those of our tables and views that are there.
///
/// # Errors
/// When the store refuses or is away.
pub async fn grant(session: &Session, user: User) -> Result<(), StoreError> {
    if Roles::of(session).await?.has(user.name()) { grant_objects(session, user).await } else { Ok(()) }
}

async fn grant_objects(session: &Session, user: User) -> Result<(), StoreError> {
    let there = session.relations().await?;
    for object in names() {
        if let Some(relation) = there.get(object) {
            let (rights, what) = (user.rights(session.kind(), object), relation.to_grant(session.kind()));
            session.execute_script(&format!("GRANT {rights} ON {what} {object} TO {}", user.name())).await?;
        }
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
