//! `deltawave prune`: deletes what is old, or what is of a key, and leaves everything provable.
//!
//! | what | noted in | so that |
//! |---|---|---|
//! | `--before` | `capture_files` (`pruned`), `pruned_ranges` | no loader takes the files for new, and `verify` misses no row of them |
//! | `--key` | `forgotten_records`; `forgotten_rows` of records that have several rows | `verify` misses none of them, and finds them should they come back |
//!
//! What is noted comes first, what is deleted after it, so that there is no moment at which rows are missing and nobody
//! knows why.

mod age;
mod body;
mod error;
mod forget;
mod plan;
mod step;

use std::collections::{BTreeSet, HashSet};
use std::io::Write as _;

use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::progress::Ongoing;
use super::store::{address, connect_current};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::capture::EnqueuedTime;
use crate::service::Exit;
use crate::settings::{Keep, Prune, PruneSettings, Route};
use crate::store::{NewestOf, Session};
use age::{Amount, by_container};
pub use error::PruneError;
pub(super) use forget::forget_again;
use forget::{Key, Of};
use plan::Partition;
use step::step;

/// Deletes what the settings say, or says what that would be.
///
/// # Errors
/// When the store refuses, or nobody has agreed. It may be repeated, and goes on where it was.
pub async fn prune(settings: PruneSettings, shutdown: CancellationToken) -> Result<Exit, PruneError> {
    let work = async {
        let check = &settings.check;
        let session = connect_current(&address(check).await?, check.give_up, &shutdown).await?.session;
        for table in ["pruned_ranges", "forgotten_records"] {
            if !session.has_table(table).await? {
                return Err(PruneError::NoTable(table, session.address().to_string()));
            }
        }
        let pruning = Pruning { settings: &settings, session: &session, ongoing: Ongoing::new() };
        match &settings.what {
            Prune::Before(before) => pruning.before(*before).await,
            Prune::Key(column, value) => pruning.key(column, value).await,
            Prune::Forgotten => pruning.forgotten().await,
        }
    };
    tokio::select! {
        done = work => done?,
        () = shutdown.cancelled() => return Err(PruneError::Interrupted),
    }
    if settings.yes { Ok(Exit::Done) } else { Err(PruneError::NotAgreed) }
}

struct Pruning<'a> {
    settings: &'a PruneSettings,
    session: &'a Session,
    ongoing: Ongoing,
}

impl Pruning<'_> {
    async fn before(&self, before: EnqueuedTime) -> Result<(), PruneError> {
        for route in &self.settings.check.routes {
            let newest = self.kept_of(&route.table).await?;
            let listed = self.listed(route).await?;
            let mut total = Amount::default();
            for partition in self.session.ledger_partitions(&route.table, route.hub.name()).await? {
                let (session, target, hub) = (self.session, route.table.as_str(), route.hub.name());
                let partition = Partition { session, target, hub, partition };
                self.ongoing.say(|| format!("looking for what is old in {hub}/{}", partition.partition));
                if let Some(plan) = partition.plan(before, newest.as_ref()).await? {
                    let amount = match self.settings.yes {
                        false => partition.amount(&plan, &self.ongoing).await?,
                        true => partition.carry_out(&plan, &self.ongoing).await?,
                    };
                    tell(&format!("{target}  {hub}/{}: {}", partition.partition, self.amount(amount)));
                    total.add(amount);
                }
                if let Some(listed) = listed.as_ref().filter(|_| self.settings.yes) {
                    self.take_out(&partition, listed).await?;
                }
            }
            tell(&format!("{}  {}: {} in all", route.table, route.hub.name(), self.amount(total)));
        }
        Ok(())
    }

    /// Which old rows of a table stay: those that a view over it shows.
    async fn kept_of(&self, table: &str) -> Result<Option<NewestOf>, PruneError> {
        if table == "user_event_log" {
            let newest = || NewestOf { key: "id".to_owned(), order: "event_order".to_owned() };
            return Ok((!self.session.latest_is_apart().await?).then(newest));
        }
        match &self.settings.keep {
            Keep::Unsaid => Err(PruneError::KeepUnsaid(table.to_owned())),
            Keep::Nothing => Ok(None),
            Keep::Newest(of) => Ok(Some(of.clone())),
        }
    }

    fn amount(&self, Amount { files, rows, rejected, kept }: Amount) -> String {
        let verb = if self.settings.yes { "deleted" } else { "would be deleted" };
        let stay = match kept {
            0 => String::new(),
            kept => format!("; {kept} rows stay for being the newest of their keys"),
        };
        format!("{rows} rows and {rejected} rejected records of {files} files {verb}{stay}")
    }

    /// The names of the files that there are, if it was said where.
    async fn listed(&self, route: &Route) -> Result<Option<(String, HashSet<String>)>, PruneError> {
        let Some(address) = &self.settings.blob else { return Ok(None) };
        let identity = Identity::new(self.settings.check.identity.clone());
        let sas = self.settings.blob_sas.as_ref();
        let container = Container::open(address, identity.key(address.needs_credential(), sas)?)?;
        let mut names = HashSet::new();
        let mut pages = container.list(&self.settings.name_format.prefix(&route.hub, None, None), None);
        while let Some(page) = pages.next().await {
            names.extend(page?.into_iter().map(|entry| entry.name));
        }
        Ok(Some((container.name().to_owned(), names)))
    }

    /// Takes pruned files out of the ledger that the container no longer has and of which no row is left: nothing can
    /// take them for new.
    async fn take_out(
        &self,
        partition: &Partition<'_>,
        (container, listed): &(String, HashSet<String>),
    ) -> Result<(), PruneError> {
        let gone = partition.gone(container, listed).await?;
        for (container, blobs) in by_container(&gone) {
            step(self.session.drop_pruned(container, partition.target, &blobs)).await?;
        }
        if !gone.is_empty() {
            let (hub, number) = (partition.hub, partition.partition);
            tell(&format!("{}  {hub}/{number}: {} files taken out of the ledger", partition.target, gone.len()));
        }
        Ok(())
    }

    async fn key(&self, column: &str, value: &str) -> Result<(), PruneError> {
        for target in self.targets() {
            let key = Key::of(self.session, target, column, value).await?;
            let of = match self.settings.yes {
                false => key.look().await?,
                true => key.forget(&self.ongoing).await?,
            };
            self.tell_of(target, &of).await?;
        }
        Ok(())
    }

    async fn tell_of(&self, target: &str, of: &Of) -> Result<(), PruneError> {
        let verb = if self.settings.yes { "deleted" } else { "would be deleted" };
        let Of { rows, rejected, latest, blobs, perhaps, .. } = of;
        let latest = latest.map(|latest| format!(", {latest} rows of the latest state")).unwrap_or_default();
        tell(&format!("{target}: {rows} rows, {rejected} rejected records{latest} {verb}"));
        for (place, blob) in perhaps {
            let (hub, partition, number) = (&place.hub, place.partition, place.record.0);
            tell(&format!("perhaps  {hub}/{partition} {number}: rejected, and its body cannot be told ({blob})"));
        }
        if !blobs.is_empty() {
            tell("these Capture files still hold records of it, and a file that is loaded again brings them back:");
            blobs.iter().for_each(|blob| tell(&format!("  {blob}")));
        }
        let pruned = self.session.count_pruned_files(target).await?;
        if pruned > 0 {
            tell(&format!(
                "{pruned} more files were pruned: whether they hold records of it, the store no longer knows"
            ));
        }
        Ok(())
    }

    async fn forgotten(&self) -> Result<(), PruneError> {
        for target in self.targets() {
            let verb = if self.settings.yes { "deleted again" } else { "would be deleted again" };
            let records = forget_again(self.session, target, self.settings.yes).await?;
            tell(&format!("{target}: {records} records {verb}"));
        }
        Ok(())
    }

    fn targets(&self) -> BTreeSet<&str> {
        self.settings.check.routes.iter().map(|route| route.table.as_str()).collect()
    }
}

impl Amount {
    fn add(&mut self, other: Amount) {
        self.files += other.files;
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.kept += other.kept;
    }
}

/// Nobody may be there to read it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
