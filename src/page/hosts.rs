//! By which names the page may be asked for where no token guards it.
//!
//! A site of anybody's may give its own name the address of this machine once it is open in a browser, and then read what
//! is served there as if it were its own. Its name is one that the internet knows.

use std::net::IpAddr;

/// Endings of names that nobody on the internet has.
const PRIVATE: [&str; 6] = [".localhost", ".local", ".internal", ".lan", ".svc", ".home.arpa"];

/// Whether a `Host` is none of the internet's: an address, or a name of this machine or network.
pub(super) fn is_private(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.split(']').next().is_some_and(|address| address.parse::<IpAddr>().is_ok()),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || (!name.is_empty() && !name.contains('.'))
        || PRIVATE.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_internet_are_told_apart() {
        for host in ["127.0.0.1:8080", "[::1]:80", "localhost:8080", "loader", "a.b.svc", "x.localhost:1", "10.0.0.1"] {
            assert!(is_private(host), "{host}");
        }
        for host in ["evil.example.com", "evil.com:8080", "127.0.0.1.evil.com", "", "localhost.evil.com"] {
            assert!(!is_private(host), "{host}");
        }
    }
}
