//! Which ports let something through.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(4);

/// Variables that name a proxy, as programs read them.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// The variables that name a proxy, if any does.
pub(super) fn proxy() -> Option<String> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<&str> = PROXIES.into_iter().filter(is_set).collect();
    (!set.is_empty()).then(|| set.join(", "))
}

/// Whether a namespace can be reached by its own port, and by HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    own: bool,
    https: bool,
}

impl Ways {
    pub(super) async fn look(host: &str, own: u16, https: u16) -> Ways {
        let open = async |port| timeout(LIMIT, TcpStream::connect((host, port))).await.is_ok_and(|made| made.is_ok());
        let (own, https) = futures::join!(open(own), open(https));
        Ways { own, https }
    }

    /// What to do, if it is the ports that are to blame.
    pub(super) fn remedy(self, host: &str, port: u16, proxy: bool) -> Option<String> {
        match self {
            Ways { own: true, .. } => None,
            Ways { https, .. } if https || proxy => {
                let by = if https { "443 is open" } else { "a proxy lets 443 out" };
                Some(format!(
                    "{host}:{port} is closed from here and {by}: files come through 443, so leave out --live, --event-hub \
                     and --broker here, or run the loader where {port} is open; producers send by --transport https \
                     (docs/networks.md)"
                ))
            }
            _ => Some(format!(
                "neither {host}:{port} nor 443 can be reached: check the namespace's name, its private DNS zone and its \
                 firewall, and whether there is a proxy (HTTPS_PROXY)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_is_closed_and_what_is_open_tells_what_to_do() {
        let host = "127.0.0.1";
        let listens = TcpListener::bind((host, 0)).await.unwrap();
        let gone = TcpListener::bind((host, 0)).await.unwrap();
        let (open, shut) = (listens.local_addr().unwrap().port(), gone.local_addr().unwrap().port());
        drop(gone);
        let remedy = async |own, https, proxy| Ways::look(host, own, https).await.remedy("ns", 9093, proxy);
        assert_eq!(remedy(open, shut, false).await, None, "the ports are not to blame");
        let text = remedy(shut, open, false).await.unwrap();
        assert!(text.starts_with("ns:9093 is closed from here and 443 is open") && text.contains("--transport https"));
        assert!(remedy(shut, shut, true).await.unwrap().contains("a proxy lets 443 out"));
        assert!(remedy(shut, shut, false).await.unwrap().starts_with("neither ns:9093 nor 443"));
    }
}
