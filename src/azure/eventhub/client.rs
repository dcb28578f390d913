use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_messaging_eventhubs::{EventHubsError, ProducerClient, RetryOptions};

use super::address::EventHubAddress;
use super::error::EventHubError;
use crate::azure::failure::root;

/// What tokens are for, in every cloud.
const SCOPE: &str = "https://eventhubs.azure.net/.default";

/// How long a connection, an authorisation and one answer may take together, if there is time.
pub(super) const ANSWER: Duration = Duration::from_secs(20);

/// How long a send may be without an outcome before the connection is tried, and between two tries.
const PROBE: Duration = Duration::from_secs(2);
/// How long that may take.
const PROBE_ANSWER: Duration = Duration::from_secs(5);

/// A connection to one event hub. Not to be used again once a call has failed.
pub(super) struct Client {
    sdk: ProducerClient,
    address: EventHubAddress,
    answer: Duration,
}

impl Client {
    /// Connects; nothing is authorised yet. `answer` is how long this and every call may take.
    pub(super) async fn open(
        address: &EventHubAddress,
        credential: &Arc<dyn TokenCredential>,
        answer: Duration,
    ) -> Result<Client, EventHubError> {
        token(address, credential, answer).await?;
        let mut builder = ProducerClient::builder()
            .with_application_id(name())
            .with_retry_options(RetryOptions { max_retries: 0, ..RetryOptions::default() });
        if let Some(endpoint) = &address.endpoint {
            builder = builder.with_custom_endpoint(endpoint.to_string());
        }
        let opening = builder.open(&address.host, &address.hub, Arc::clone(credential));
        let sdk = within(address, answer, opening).await?;
        Ok(Client { sdk, address: address.clone(), answer })
    }

    pub(super) fn sdk(&self) -> &ProducerClient {
        &self.sdk
    }

    /// The partitions' ids, in ascending order.
    pub(super) async fn partitions(&self) -> Result<Vec<i32>, EventHubError> {
        let properties = self.within(self.sdk.get_eventhub_properties()).await?;
        let id = |id: &String| {
            id.parse().map_err(|_| EventHubError::other(&self.address, format!("it has a partition called `{id}`")))
        };
        let mut ids = properties.partition_ids.iter().map(id).collect::<Result<Vec<i32>, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Waits for an answer, but not for ever: the SDK would.
    pub(super) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, EventHubsError>>,
    ) -> Result<T, EventHubError> {
        within(&self.address, self.answer, call).await
    }

    /// Waits for a send's outcome, at most `limit`, and as long as the connection is alive. The SDK notices neither that
    /// a connection nor that a link ended while it waits for an outcome: the first is found by asking for something
    /// else beside it, the second only by the limit.
    pub(super) async fn outcome<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, EventHubsError>>,
    ) -> Result<T, EventHubError> {
        let ended = async {
            loop {
                tokio::time::sleep(PROBE).await;
                if let Err(error) = within(&self.address, PROBE_ANSWER, self.sdk.get_eventhub_properties()).await {
                    return error;
                }
            }
        };
        tokio::select! {
            outcome = within(&self.address, limit, call) => outcome,
            error = ended => Err(error),
        }
    }

    /// What an error of the SDK means.
    pub(super) fn error(&self, error: &EventHubsError) -> EventHubError {
        EventHubError::new(&self.address, error)
    }
}

/// Gets a token, for at most `answer`. The SDK asks for one too, inside its calls, where a credential that does not
/// answer looks like a service that does not. Credentials keep their tokens, so that this costs nothing.
pub(super) async fn token(
    address: &EventHubAddress,
    credential: &Arc<dyn TokenCredential>,
    answer: Duration,
) -> Result<(), EventHubError> {
    match tokio::time::timeout(answer, credential.get_token(&[SCOPE], None)).await {
        Ok(token) => token.map(drop).map_err(|error| EventHubError::no_token(address, root(&error))),
        Err(_) => Err(EventHubError::no_token(address, format!("no answer within {} s", answer.as_secs()))),
    }
}

/// Links are told apart by a client's name and their partition: two programs of one name would take each other's.
pub(super) fn name() -> String {
    format!("deltawave-{}", uuid::Uuid::new_v4().simple())
}

pub(super) async fn within<T>(
    address: &EventHubAddress,
    answer: Duration,
    call: impl Future<Output = Result<T, EventHubsError>>,
) -> Result<T, EventHubError> {
    match tokio::time::timeout(answer, call).await {
        Ok(answer) => answer.map_err(|error| EventHubError::new(address, &error)),
        Err(_) => Err(EventHubError::silent(address, answer)),
    }
}
