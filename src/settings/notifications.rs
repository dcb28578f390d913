use std::time::Duration;

use clap::Args;

use super::{Faults, Seconds};
use crate::azure::queue::QueueAddress;
use crate::base::{Secret, SecretSource};

const LEASE: Seconds = Seconds(Duration::from_secs(600));
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// The service's limit.
const LONGEST_LEASE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const POISON: &str = "-poison";

/// Flags of programs that are told of new files.
#[derive(Debug, Clone, Args)]
pub(super) struct NotificationArgs {
    /// A storage queue of BlobCreated events, so that files are loaded as they arrive; listing finds what it misses:
    /// https://ACCOUNT.queue.core.windows.net/QUEUE[?SAS]. One queue a deployment: what no route wants is deleted
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "DELTAWAVE_NOTIFICATIONS", value_name = "URL", hide_env_values = true)]
    notifications: Option<Secret>,
    /// A SAS for the queue, read again when it is refused: the text itself, file:PATH, or keyvault:NAME[/VERSION]
    #[arg(long, env = "DELTAWAVE_NOTIFICATIONS_SAS", value_name = "SECRET", hide_env_values = true)]
    pub(super) notifications_sas: Option<SecretSource>,
    /// How long a notification in hand is hidden from other loaders, in seconds; one of a file that is not done by
    /// then is received again
    #[arg(long, env = "DELTAWAVE_NOTIFICATION_LEASE", value_name = "SECONDS", default_value_t = LEASE)]
    notification_lease: Seconds,
}

/// A queue of BlobCreated events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifications {
    /// Where they are received.
    pub queue: QueueAddress,
    /// Where malformed ones are set aside: the queue of the same name with `-poison` after it.
    pub poison: QueueAddress,
    /// A SAS for both.
    pub sas: Option<SecretSource>,
    /// How long one in hand is hidden from other loaders: 1 s to 7 days.
    pub lease: Duration,
}

impl NotificationArgs {
    /// The settings, or none if there is no queue. `unfit` says which other flags leave no use for one, and why.
    pub(super) fn check(self, unfit: &[(bool, &str)], faults: &mut Faults) -> Option<Option<Notifications>> {
        const FLAG: &str = "--notifications";
        const SAS: &str = "--notifications-sas";
        let Some(text) = self.notifications else {
            if self.notifications_sas.is_some() {
                faults.add(SAS, "opens nothing: say which queue by --notifications");
            }
            return Some(None);
        };
        for (_, reason) in unfit.iter().filter(|(given, _)| *given) {
            faults.add(FLAG, reason);
        }
        let queue: Option<QueueAddress> = faults.check(FLAG, text.expose().parse());
        if self.notifications_sas.is_some() && queue.as_ref().is_some_and(QueueAddress::has_sas) {
            faults.add(SAS, "the address (--notifications) has a SAS already: give one of the two");
        }
        let poison = queue.as_ref().and_then(|queue| faults.check(FLAG, queue.neighbour(POISON)));
        let lease = self.notification_lease.0;
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
            faults.add("--notification-lease", "must be from 1 s to 7 days (604800 s)");
        }
        Some(Some(Notifications { queue: queue?, poison: poison?, sas: self.notifications_sas, lease }))
    }
}
