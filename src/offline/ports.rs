use std::net::{Ipv4Addr, TcpListener};

use super::OfflineError;
use super::service::{Launch, Service};

/// How often a service is started with new ports when another process took the chosen ones first.
const ATTEMPTS: usize = 5;

/// Starts a service on ports that are free right now, and again on others if one was taken meanwhile.
pub(super) async fn on_free_ports<const N: usize>(
    mut launch: impl FnMut([u16; N]) -> Result<Launch, OfflineError>,
) -> Result<(Service, [u16; N]), OfflineError> {
    let mut attempt = 1;
    loop {
        let ports = free_ports()?;
        match Service::start(launch(ports)?).await {
            // Node, Java, PostgreSQL and Rust all put it in these words.
            Err(error) if attempt < ATTEMPTS && error.quotes("ddress already in use") => attempt += 1,
            result => return Ok((result?, ports)),
        }
    }
}

pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], OfflineError> {
    let refused = |source| OfflineError::Run { program: "bind 127.0.0.1:0".to_owned(), source };
    // All are held until all are known, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?;
        *port = listener.local_addr().map_err(refused)?.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::process::{Recipe, User};
    use super::super::service::Ready;
    use super::super::unix::Signal;
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_given_up_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let mut says = ["Error: listen EADDRINUSE: address already in use; exit 1", "up; sleep 60"].into_iter();
        let mut tried = Vec::new();
        let (mut service, [port]) = on_free_ports(|[port]| {
            tried.push(port);
            Ok(Launch {
                name: "test",
                recipe: Recipe {
                    program: "sh".into(),
                    arguments: vec!["-c".into(), format!("echo {}", says.next().unwrap()).into()],
                    set: Vec::new(),
                    unset: Vec::new(),
                    directory: directory.path().to_owned(),
                    user: User::Ours,
                    stop: Signal::Terminate,
                    grace: Duration::from_secs(1),
                },
                ready: Ready::Says("up"),
                settling: None,
                log: directory.path().join("log.txt"),
            })
        })
        .await
        .unwrap();
        assert_eq!((tried.len(), tried[1]), (2, port));
        service.kill();
    }

    #[test]
    fn ports_chosen_together_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c, "{a} {b} {c}");
    }
}
