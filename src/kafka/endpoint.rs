use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::client::Context;
use super::login::{Keeper, Login};
use super::settings::{EventHubAccess, Proof};
use super::{BrokerAddress, KafkaError, KafkaSettings, Security};
use crate::base::{SecretReader, TokenSource};

/// The user name under which Event Hubs takes a connection string as the password.
const USER: &str = "$ConnectionString";

/// A Kafka endpoint with all it takes to be let in. Clones share one login, which is renewed while there is a clone.
#[derive(Clone)]
pub struct Endpoint {
    address: BrokerAddress,
    keeper: Option<Arc<Keeper>>,
}

impl Endpoint {
    /// A broker without TLS or password.
    pub fn plaintext(address: BrokerAddress) -> Endpoint {
        Endpoint { address, keeper: None }
    }

    /// Reads the secret, or gets the first token. Sends nothing to the broker. Call inside a runtime.
    ///
    /// # Errors
    /// [`KafkaError::Login`]: there is no secret or token, or the connection string is for something else.
    pub async fn open<I>(settings: &KafkaSettings, identity: &Arc<I>) -> Result<Endpoint, KafkaError>
    where
        I: SecretReader + TokenSource + 'static,
    {
        let keeper = match &settings.security {
            Security::Plaintext => None,
            Security::EventHub(access) => Some(Arc::new(Keeper::open(access, identity).await?)),
        };
        Ok(Endpoint { address: settings.broker.clone(), keeper })
    }

    /// Where it is.
    pub fn address(&self) -> &BrokerAddress {
        &self.address
    }

    pub(super) fn login(&self) -> Option<&Arc<Login>> {
        self.keeper.as_ref().map(|keeper| &keeper.login)
    }

    pub(super) fn event_hub(&self) -> Option<&EventHubAccess> {
        self.login().map(|login| &login.access)
    }

    pub(super) fn context(&self) -> Context {
        Context::new(self.login().cloned())
    }

    /// The keys every client shares.
    ///
    /// Keep-alive, metadata age and idle time are what Event Hubs asks of its clients, since its load balancer drops
    /// idle connections without a word; any other broker is indifferent to them. The message limit stays under the
    /// 1,046,528 bytes at which Event Hubs closes the connection. A broker that was away is tried every second: the
    /// library checks what has waited too long only between two tries.
    pub(super) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.address.to_string())
            .set("client.id", "deltawave")
            .set("socket.keepalive.enable", "true")
            .set("metadata.max.age.ms", "180000")
            .set("topic.metadata.refresh.interval.ms", "60000")
            .set("connections.max.idle.ms", "180000")
            .set("message.max.bytes", super::MESSAGE_BYTES.to_string())
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Info);
        let Some(login) = self.login() else {
            config.set("security.protocol", "plaintext");
            return config;
        };
        // The statistics tell of throttling. Where the system keeps its authorities is probed for, since the OpenSSL
        // that is linked in looks in a place of its own.
        let authorities = login.access.authorities.as_ref().map(|file| file.to_string_lossy());
        config
            .set("security.protocol", "sasl_ssl")
            .set("ssl.ca.location", authorities.as_deref().unwrap_or("probe"))
            .set("statistics.interval.ms", "5000");
        match &login.access.proof {
            Proof::ConnectionString(_) => {
                let password = login.password().borrow().as_ref().map(|secret| secret.expose().to_owned());
                config
                    .set("sasl.mechanisms", "PLAIN")
                    .set("sasl.username", USER)
                    .set("sasl.password", password.unwrap_or_default())
            }
            Proof::EntraToken => config.set("sasl.mechanisms", "OAUTHBEARER"),
        };
        config
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use futures::future::BoxFuture;

    use super::*;
    use crate::base::{Secret, SecretError, SecretSource, Token};

    struct Identity;

    impl SecretReader for Identity {
        fn read<'a>(&'a self, source: &'a SecretSource) -> BoxFuture<'a, Result<Secret, SecretError>> {
            Box::pin(async move {
                match source {
                    SecretSource::Literal(secret) => Ok(secret.clone()),
                    other => Err(SecretError::new(format!("{other} cannot be read"))),
                }
            })
        }
    }

    impl TokenSource for Identity {
        fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<Token, SecretError>> {
            let expires = SystemTime::now() + Duration::from_secs(3600);
            Box::pin(async move { Ok(Token { secret: Secret::new(scope), expires }) })
        }
    }

    async fn open(proof: Proof) -> Result<Endpoint, KafkaError> {
        let access = EventHubAccess {
            host: "contoso.servicebus.windows.net".to_owned(),
            hub: "orders".to_owned(),
            proof,
            authorities: None,
        };
        let broker = "contoso.servicebus.windows.net:9093".parse().unwrap();
        let settings = KafkaSettings { broker, security: Security::EventHub(access) };
        Endpoint::open(&settings, &Arc::new(Identity)).await
    }

    fn connection_string(text: &str) -> Proof {
        Proof::ConnectionString(SecretSource::Literal(Secret::new(text)))
    }

    #[tokio::test]
    async fn an_event_hub_gets_every_setting_that_the_service_asks_for() {
        let text = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=hunter2";
        let endpoint = open(connection_string(text)).await.unwrap();
        let config = endpoint.client_config();
        for (key, value) in [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "$ConnectionString"),
            ("sasl.password", text),
            ("socket.keepalive.enable", "true"),
            ("metadata.max.age.ms", "180000"),
            ("connections.max.idle.ms", "180000"),
            ("message.max.bytes", "1000000"),
        ] {
            assert_eq!(config.get(key), Some(value), "{key}");
        }
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = open(Proof::EntraToken).await.unwrap().client_config();
        assert_eq!((config.get("sasl.mechanisms"), config.get("sasl.password")), (Some("OAUTHBEARER"), None));
    }

    #[tokio::test]
    async fn the_token_is_for_the_namespace_and_a_wrong_connection_string_is_found_at_once() {
        let endpoint = open(Proof::EntraToken).await.unwrap();
        let token = endpoint.login().unwrap().oauth_token().unwrap();
        assert_eq!(token.token, "https://contoso.servicebus.windows.net/.default");
        let faults = [
            (connection_string("Endpoint=sb://contoso.servicebus.windows.net/;EntityPath=other"), "event hub other"),
            (
                Proof::ConnectionString(SecretSource::File("gone".into())),
                "--connection-string: file:gone cannot be read",
            ),
        ];
        for (proof, words) in faults {
            let error = open(proof).await.err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
