//! The library's entry point, without the binary.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn in_process_a_held_producer_sends_nothing_and_the_observer_hears_of_each_event() {
    let bench = Bench::new();
    let settings = ProducerSettings {
        identity: IdentitySettings::default(),
        transport: Transport::Kafka(KafkaSettings {
            broker: bench.cluster.bootstrap_servers().parse().unwrap(),
            security: Security::Plaintext,
        }),
        topic: TOPIC.to_owned(),
        create_topic: None,
        source: EventSource::Generated {
            users: NonZero::new(3).unwrap(),
            seed: Some(1),
            order: OrderSource::CountFrom(1),
            format: EventFormat::Json,
        },
        registry: None,
        rate: Rate::Max,
        events: Some(500),
        give_up: DEADLINE,
        quiet: true,
        http: None,
    };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let observer = Arc::new(move |event: &Acknowledged<'_>| {
        let order = serde_json::from_slice::<Event<'_>>(event.payload).unwrap().event_order;
        ears.lock().unwrap().push((event.partition, event.offset, order));
    });
    let (holder, hold) = watch::channel(true);
    let mut run = tokio::spawn(producer::run(settings, CancellationToken::new(), hold, observer));
    let early = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
    assert!(early.is_err() && heard.lock().unwrap().is_empty(), "a held producer sent something");
    holder.send(false).unwrap();
    let summary = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.sent, summary.acknowledged), (500, 500));
    let heard = heard.lock().unwrap();
    for partition in 0..PARTITIONS {
        let of_partition: Vec<_> = heard.iter().filter(|event| event.0 == Some(partition)).collect();
        assert!(of_partition.iter().enumerate().all(|(i, event)| event.1 == Some(i as i64)));
        assert!(of_partition.is_sorted_by_key(|event| event.2));
    }
    assert_eq!(heard.len(), bench.records().len());
}
