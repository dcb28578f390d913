use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::timeout;

use super::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::settings::LoaderSettings;
use crate::store::{Fault, Kind, Session, StoreAddress, StoreError, missing_ledger_table, open_user};

/// How long the store may take for one answer.
const LIMIT: Duration = Duration::from_secs(20);

/// The oldest RisingWave that was tried.
const OLDEST: (u32, u32) = (2, 6);

/// Of two clocks that differ by more seconds, one is wrong.
const CLOCKS: f64 = 60.0;

pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let mut address = settings.store.clone();
    if let Some(source) = &settings.store_password {
        match identity.secret(source).await {
            Ok(password) => address = address.with_rotating_password(password),
            // It was told among the secrets.
            Err(_) => return,
        }
    }
    let session = match timeout(LIMIT, Session::connect(&address)).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return findings.add(Finding::fault("store", error.to_string(), cure(&address, &error))),
        Err(_) => {
            let text = format!("{address} has not answered for {} s", LIMIT.as_secs());
            return findings.add(Finding::fault("store", text, "check host, port and firewall"));
        }
    };
    let engine = session.engine();
    findings.add(match too_old(&engine) {
        false => Finding::well("store", format!("{engine} at {address}")),
        true => Finding::note(
            "store",
            format!("{engine} at {address}, which nobody has tried"),
            "RisingWave 2.6 or newer is what this is written for",
        ),
    });
    let looked = timeout(LIMIT, async {
        at_session(&session, &address, findings).await?;
        tables(&session, settings, findings).await
    });
    match looked.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => findings.add(Finding::error("store", &error)),
        Err(_) => {
            let text = format!("a question was not answered within {} s", LIMIT.as_secs());
            findings.add(Finding::fault("store", text, "look at its load, its memory and its log"));
        }
    }
}

/// Whether a RisingWave is older than what this was tried with.
fn too_old(engine: &str) -> bool {
    let Some(version) = engine.strip_prefix("RisingWave ") else { return false };
    let mut numbers = version.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST
}

/// What to do where nobody answers or nobody is let in.
fn cure(address: &StoreAddress, error: &StoreError) -> String {
    match error.fault() {
        Fault::Transient => "start it, or correct --store-url; `deltawave up` starts a store of its own".to_owned(),
        _ if error.reason().contains("does not exist") || error.reason().contains("not found") => format!(
            "--store-url names database {}; RisingWave's own is dev, as in postgresql://root@HOST:4566/dev",
            address.database()
        ),
        _ => "correct user, password or sslmode (docs/store.md)".to_owned(),
    }
}

async fn at_session(session: &Session, address: &StoreAddress, findings: &mut Findings) -> Result<(), StoreError> {
    if session.kind() == Kind::RisingWave
        && let Some(user) = open_user(session, address).await?
    {
        findings.add(Finding::note(
            "password",
            format!("user {user} is let in without a password"),
            "where others reach it: `deltawave init --root-password`, or `deltawave guard` in front of it",
        ));
    }
    let (_, rows) = session.query_text("SELECT extract(epoch FROM now())").await?;
    let theirs: Option<f64> = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
    let ours = OffsetDateTime::now_utc().unix_timestamp() as f64;
    findings.add(match theirs {
        Some(theirs) if (theirs - ours).abs() > CLOCKS => Finding::fault(
            "clock",
            format!("the store's clock is {:.0} s from this machine's", theirs - ours),
            "set the one that is wrong: tokens, look-back and lag depend on it",
        ),
        _ => Finding::well("clock", "the store's clock is this machine's"),
    });
    let flushed = session.flush().await;
    findings.add(match flushed {
        Ok(()) => Finding::well("flush", "FLUSH works, so that what is written can be proven"),
        Err(error) => Finding::fault("flush", error.to_string(), "look at the store's log and memory"),
    });
    Ok(())
}

async fn tables(session: &Session, settings: &LoaderSettings, findings: &mut Findings) -> Result<(), StoreError> {
    match missing_ledger_table(session).await? {
        Some(table) => {
            let text = format!("table {table} is not there");
            findings.add(Finding::fault("ledger", text, "make it: `deltawave init`, with the same --store-url"));
        }
        None => findings.add(match session.check_writes().await {
            Ok(()) => Finding::well("ledger", "it is there, and takes writes"),
            Err(error) if error.fault() == Fault::NeedsRecover => Finding::fault(
                "ledger",
                "RisingWave takes no writes since its restart",
                "run RECOVER as root; from 2.7 on it does so itself",
            ),
            Err(error) => Finding::error("ledger", &error),
        }),
    }
    for route in &settings.routes {
        let found = session.table(&route.table, &settings.require).await?;
        findings.add(match found.and_then(|table| settings.fit(route, table)) {
            Ok(table) => {
                let columns = table.columns().len();
                Finding::well("table", format!("{route}: {columns} columns that records may fill"))
            }
            Err(error) => Finding::error("table", &error),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_old_before_what_was_tried() {
        for (engine, old) in [
            ("RisingWave 2.6.1", false),
            ("RisingWave 3.0.3", false),
            ("RisingWave 2.5.4", true),
            ("PostgreSQL 18.4", false),
        ] {
            assert_eq!(too_old(engine), old, "{engine}");
        }
    }
}
