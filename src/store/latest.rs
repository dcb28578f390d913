//! The latest state of every user: a row each, whatever the length of the history, kept by the engine itself.
//!
//! Formerly RisingWave kept it as a materialized view, which holds the whole history again. What is there of that kind is
//! replaced in steps, each of which can be the last for now: whoever comes next looks what is there and goes on.
//!
//! | `latest_user_state` | `latest_user_state_before` | next step |
//! |---|---|---|
//! | materialized view | – | wait until the new rows are all there, then rename it to the latter |
//! | materialized view | materialized view | drop the latter: someone ran a former `init` in between |
//! | – | any | make the view |
//! | view | materialized view | pass on its rights, and drop it |
//! | view | – | none |

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::catalog::Relation;
use super::error::StoreError;
use super::object::{Object, What, object};
use super::roles::Roles;
use super::session::{Kind, Session};

/// In the order they are made. On RisingWave making the feed takes as long as reading the history does.
pub(super) const LATEST: [Object; 3] = [EVENTS, FEED, STATE];

const EVENTS: Object = object!("31", "latest_user_events", Table);
const FEED: Object = object!("32", "latest_user_events_feed", Feed);
const STATE: Object = object!("33", "latest_user_state", View);

/// What the former one is called until it is dropped.
const BEFORE: &str = "latest_user_state_before";

/// More than there are.
const MOST_STEPS: usize = 10;

/// How long the last rows may take to show up behind a feed that is said to be complete.
const SETTLING: Duration = Duration::from_secs(60);

/// Makes what shows the latest state, filled from the history, and replaces one of the former kind.
///
/// # Errors
/// When the store refuses a statement or is away. It may be called again, whatever was done before.
pub async fn create_latest(session: &Session, made: impl Fn(&'static str)) -> Result<(), StoreError> {
    EVENTS.create(session).await?;
    made(EVENTS.name);
    if session.kind() == Kind::RisingWave {
        // Whatever the server's defaults are: the statement ends when all is there, and nothing comes later than a FLUSH.
        session.execute_script("SET background_ddl = false").await?;
        session.execute_script("SET sink_decouple = false").await?;
        if session.relations().await?.get(STATE.name) == Some(&Relation::MaterializedView) {
            tracing::info!("filling {} from the history, at roughly 5 million events a minute", EVENTS.name);
        }
    }
    FEED.create(session).await?;
    made(FEED.name);
    match session.kind() {
        Kind::RisingWave => replace(session).await?,
        Kind::PostgreSql => STATE.create(session).await?,
    }
    made(STATE.name);
    Ok(())
}

/// Whether what shows the latest state is there, of whichever kind. Then the engine keeps it up to date at every load.
///
/// # Errors
/// When the store cannot be asked.
pub async fn latest_is_there(session: &Session) -> Result<bool, StoreError> {
    let there = session.relations().await?;
    Ok([STATE.name, FEED.name].iter().any(|name| there.contains_key(*name)))
}

/// Drops it with all it holds, of the former kind too.
///
/// # Errors
/// When the store refuses a statement or is away.
pub(super) async fn drop_latest(session: &Session, dropped: impl Fn(&'static str)) -> Result<(), StoreError> {
    if session.kind() == Kind::RisingWave {
        let there = session.relations().await?;
        for name in [STATE.name, BEFORE] {
            if there.get(name) == Some(&Relation::MaterializedView) {
                session.execute_script(&format!("DROP MATERIALIZED VIEW {name}")).await?;
            }
        }
    }
    STATE.drop(session).await?;
    dropped(STATE.name);
    // RisingWave drops a table together with what feeds it, which it may have been told not to. The other way round is
    // no rule: the feed of a table from before 2.7 is dropped with the table only.
    match EVENTS.drop(session).await {
        Err(error) if error.needs_someone() => {
            FEED.drop(session).await?;
            EVENTS.drop(session).await?;
        }
        done => {
            done?;
            FEED.drop(session).await?;
        }
    }
    dropped(FEED.name);
    dropped(EVENTS.name);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    SetAside,
    DropOutdated,
    MakeView,
    DropBefore,
    Done,
}

impl Step {
    fn next(there: &HashMap<String, Relation>) -> Step {
        let before = there.contains_key(BEFORE);
        match there.get(STATE.name) {
            Some(Relation::MaterializedView) if before => Step::DropOutdated,
            Some(Relation::MaterializedView) => Step::SetAside,
            None => Step::MakeView,
            Some(_) if before => Step::DropBefore,
            Some(_) => Step::Done,
        }
    }
}

async fn replace(session: &Session) -> Result<(), StoreError> {
    for _ in 0..MOST_STEPS {
        match Step::next(&session.relations().await?) {
            Step::SetAside => {
                until_filled(session).await?;
                session.execute_script(&format!("ALTER MATERIALIZED VIEW {} RENAME TO {BEFORE}", STATE.name)).await?;
            }
            Step::DropOutdated => session.execute_script(&format!("DROP MATERIALIZED VIEW {BEFORE}")).await?,
            Step::MakeView => STATE.create(session).await?,
            Step::DropBefore => {
                pass_on_rights(session).await?;
                match session.execute_script(&format!("DROP MATERIALIZED VIEW {BEFORE}")).await {
                    Err(error) if error.needs_someone() => {
                        tracing::warn!(
                            "{} is the new one now. The former one stays, as {BEFORE}, and costs as much as before: {}. \
                             Make what stands on it anew on {0}, then run `deltawave init` again",
                            STATE.name,
                            error.reason()
                        );
                        return Ok(());
                    }
                    dropped => dropped?,
                }
                tracing::info!("{} is a row a user now, and the former one is dropped", STATE.name);
            }
            Step::Done => return Ok(()),
        }
    }
    let reason = format!("its catalog does not show what was done about {} and {BEFORE}; look at both", STATE.name);
    Err(StoreError::permanent(session.address(), reason))
}

/// Waits until every user of the former latest state has a row among the new ones. One statement sees both at one moment.
async fn until_filled(session: &Session) -> Result<(), StoreError> {
    let lacking = format!(
        "SELECT count(*) FROM {} AS shown LEFT JOIN {} AS kept ON shown.id = kept.id \
         WHERE shown.id IS NOT NULL AND kept.id IS NULL",
        STATE.name, EVENTS.name
    );
    let deadline = Instant::now() + SETTLING;
    loop {
        session.flush().await?;
        match session.query_number(&lacking).await? {
            0 => return Ok(()),
            users if Instant::now() >= deadline => {
                let what = format!("the rows of {users} users of {} in {}", STATE.name, EVENTS.name);
                return Err(StoreError::timed_out(session.address(), &what));
            }
            _ => sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Whoever could read the former one may read the new one, and what it shows. A view has rights of its own.
async fn pass_on_rights(session: &Session) -> Result<(), StoreError> {
    let roles = Roles::of(session).await?;
    let rights = format!("SELECT unnest(acl) FROM rw_catalog.rw_materialized_views WHERE name = '{BEFORE}'");
    let (_, rows) = session.query_text(&rights).await?;
    for right in rows.iter().filter_map(|row| row.first()?.as_deref()) {
        // `reader=r/root`
        let Some((user, actions)) = right.split_once('=') else { continue };
        let reads = actions.split('/').next().is_some_and(|actions| actions.contains('r'));
        if reads && roles.has(user) && !roles.is_superuser(user) {
            let user = user.replace('"', "\"\"");
            for object in [&STATE, &EVENTS] {
                let what = if object.what == What::View { "VIEW" } else { "TABLE" };
                session.execute_script(&format!("GRANT SELECT ON {what} {} TO \"{user}\"", object.name)).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_follows_from_what_is_there() {
        use Relation::{MaterializedView, View};
        for (state, before, step) in [
            (Some(MaterializedView), None, Step::SetAside),
            (Some(MaterializedView), Some(MaterializedView), Step::DropOutdated),
            (None, Some(MaterializedView), Step::MakeView),
            (None, None, Step::MakeView),
            (Some(View), Some(MaterializedView), Step::DropBefore),
            (Some(View), None, Step::Done),
        ] {
            let named = [(STATE.name, state), (BEFORE, before)];
            let there = named.into_iter().filter_map(|(name, relation)| Some((name.to_owned(), relation?)));
            assert_eq!(Step::next(&there.collect()), step, "{state:?} {before:?}");
        }
    }
}
