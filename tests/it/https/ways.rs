//! Which way is taken: through a proxy, or by Kafka where that answers.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_as_it_is_named_and_its_authority_must_be_trusted() {
    let site = Site::new().await;
    let one = ["--events", "1", "--rate", "max", "--give-up", "1", "--log", "off"];
    // Nobody vouches for whom the proxy leads to.
    let mut command = site.producer(&one);
    command.env_remove("SSL_CERT_FILE");
    let said = sentence(command).await;
    assert!(said.contains("SSL_CERT_FILE its certificate authority") && said.contains("certificate"), "{said}");
    // The proxy knows no such host, and is not there.
    let mut command = site.producer(&one);
    command.args(["--event-hub", "contoso.servicebus.chinacloudapi.cn/user-events"]);
    let said = sentence(command).await;
    assert!(said.contains("cannot be reached over HTTPS now") && said.contains("HTTPS_PROXY"), "{said}");
    let mut command = site.producer(&one);
    command.env("HTTPS_PROXY", "http://127.0.0.1:9");
    let said = sentence(command).await;
    assert!(said.contains("cannot be reached over HTTPS now"), "{said}");
    // It wants to know who asks.
    let closed = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
    let (nowhere, proxy) = ("http://127.0.0.1:9/", Proxy::to("http://127.0.0.1:9/").await);
    proxy.set(Manner::Answer(closed.to_owned()));
    let mut command = site.producer(&one);
    command.env("HTTPS_PROXY", proxy.url(nowhere));
    let said = sentence(command).await;
    assert!(said.contains("proxy") && said.contains("HTTPS_PROXY"), "{said}");
    println!("{said}");
    assert!(site.hub.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_https_where_kafka_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [9, silent.local_addr().unwrap().port()] {
        let site = Site::new().await;
        let broker = format!("127.0.0.1:{port}");
        let began = Instant::now();
        let flags = ["--transport", "auto", "--broker", &broker, "--events", "50", "--rate", "max"];
        let ended = run(site.producer(&flags)).await;
        assert!((2900..15_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_all(&ended, 50);
        assert!(ended.err.contains("--transport auto: Kafka does not answer, sending over HTTPS"), "{}", ended.err);
        assert!(ended.err.contains("transport=\"https\""), "{}", ended.err);
        assert_eq!(site.assert_arrived(50), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_kafka_where_it_answers_and_stays_with_what_that_says() {
    let (site, kafka) = (Site::new().await, eventhubs::kafka().await);
    let hub = format!("{}/{}", eventhubs::NAMESPACE, eventhubs::topic(kafka).await);
    let (broker, authority) = kafka.locked().unwrap();
    let auto = |key: &str| {
        let flags =
            ["--transport", "auto", "--broker", &broker, "--event-hub", &hub, "--events", "50", "--rate", "max"];
        let mut command = site.producer(&flags);
        command.env("DELTAWAVE_KAFKA_CA", &authority);
        command.env("DELTAWAVE_CONNECTION_STRING", eventhubs::connection_string(key));
        command
    };
    let ended = run(auto(eventhubs::KEY)).await;
    assert_all(&ended, 50);
    assert!(ended.err.contains("--transport auto: Kafka answers, sending by it"), "{}", ended.err);
    // Who is refused by the one would be by the other.
    let ended = run(auto("d3Jvbmc=")).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("refuses the connection string") && !ended.err.contains("over HTTPS"), "{}", ended.err);
    assert!(site.hub.requests().is_empty());
}
