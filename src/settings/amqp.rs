use clap::Args;
use url::Url;

use super::Faults;

/// Flag of every program that speaks AMQP.
#[derive(Debug, Clone, Args)]
pub(super) struct AmqpEndpointArgs {
    /// Where to reach the namespace over AMQP if not at its own name, for a private link or a proxy: amqps://HOST:5671,
    /// whose certificate is for HOST, or amqp:// without TLS
    #[arg(long, env = "DELTAWAVE_AMQP_ENDPOINT", value_name = "URL")]
    amqp_endpoint: Option<String>,
}

impl AmqpEndpointArgs {
    /// The endpoint, if one was given.
    pub(super) fn check(self, faults: &mut Faults) -> Option<Option<Url>> {
        match self.amqp_endpoint {
            None => Some(None),
            Some(text) => faults.check("--amqp-endpoint", endpoint(&text)).map(Some),
        }
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| Err(format!("`{text}` {why}: write amqps://HOST:5671"));
    match text.parse::<Url>() {
        Err(_) => wrong("is not a URL"),
        Ok(url) if matches!(url.scheme(), "ws" | "wss" | "http" | "https") => {
            wrong("is not AMQP, and AMQP over WebSockets (port 443) is not spoken here")
        }
        Ok(url) if !matches!(url.scheme(), "amqp" | "amqps") => wrong("is not AMQP"),
        Ok(url) if url.host_str().is_none_or(str::is_empty) => wrong("has no host"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("takes no user or password: the program's identity is used".to_owned())
        }
        Ok(url) => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amqp_endpoint_is_amqp() {
        for good in ["amqps://10.0.0.4:5671", "amqp://127.0.0.1:9", "amqps://proxy.example"] {
            assert_eq!(endpoint(good).unwrap().as_str().trim_end_matches('/'), good);
        }
        for (bad, why) in [
            ("wss://contoso.servicebus.windows.net:443", "WebSockets"),
            ("10.0.0.4:5671", "is not"),
            ("amqps://", "host"),
            ("amqps://me:secret@host", "takes no user"),
        ] {
            let text = endpoint(bad).unwrap_err();
            assert!(text.contains(why) && !text.contains("secret"), "{bad}: {text}");
        }
    }
}
