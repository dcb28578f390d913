use clap::Args;
use url::Url;

use super::amqp::AmqpEndpointArgs;
use super::{EventHub, Faults, event_hub};

/// Flags of programs that may ask the routes' event hubs over AMQP.
#[derive(Debug, Clone, Args)]
pub(super) struct EventHubsArgs {
    /// The event hubs of the routes, asked over AMQP how much is still to come, and read by a loader with --live; several
    /// separated by commas
    #[arg(
        long = "event-hub",
        env = "DELTAWAVE_EVENT_HUB",
        value_name = "NAMESPACE/HUB",
        value_delimiter = ',',
        hide_env_values = true
    )]
    event_hubs: Vec<String>,
    #[command(flatten)]
    endpoint: AmqpEndpointArgs,
}

impl EventHubsArgs {
    /// Whether none is named.
    pub(super) fn is_empty(&self) -> bool {
        self.event_hubs.is_empty()
    }

    /// All of them, none where one is no event hub; and where a namespace is reached, if not at its own name.
    pub(super) fn check(self, faults: &mut Faults) -> (Option<Vec<EventHub>>, Option<Option<Url>>) {
        let texts = self.event_hubs;
        let hubs: Vec<_> =
            texts.iter().filter_map(|text| faults.check("--event-hub", event_hub::parse(text))).collect();
        ((hubs.len() == texts.len()).then_some(hubs), self.endpoint.check(faults))
    }
}
