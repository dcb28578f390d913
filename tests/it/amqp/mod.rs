//! `producer --transport amqp` and the properties of partitions, on a played event hub.

mod peer;

use peer::Peer;

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let peer = Peer::start(4).await;
    let mut command = crate::support::program(
        env!("CARGO_BIN_EXE_producer"),
        &[
            "--transport",
            "amqp",
            "--events",
            "1000",
            "--rate",
            "max",
            "--users",
            "50",
            "--order-start",
            "1",
            "--quiet",
            "--give-up",
            "10",
        ],
    );
    command.envs(peer.environment());
    let ended = crate::support::run(command).await;
    println!("{ended:?}");
    println!("{} {} {:?}", peer.batches(), peer.connections(), peer.tokens());
    println!("{:?}", peer.taken().iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0));
}
