//! Questions to a Kafka endpoint, asked of a mock cluster.

use std::time::Duration;

use deltawave::kafka::{Cluster, Endpoint, KafkaError, MissingTopic};
use rdkafka::mocking::MockCluster;

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_look_finds_partitions_and_watermarks_and_creates_nothing() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("here", 4, 1).unwrap();
    let endpoint = Endpoint::plaintext(mock.bootstrap_servers().parse().unwrap());
    let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, DEADLINE).await.unwrap();
    assert_eq!(cluster.partitions("here").await.unwrap(), [0, 1, 2, 3]);
    assert_eq!(cluster.watermarks("here", 3).await.unwrap(), (0, 0));
    for _ in 0..2 {
        let error = cluster.partitions("nowhere").await.unwrap_err();
        assert!(matches!(&error, KafkaError::UnknownTopic { topic, .. } if topic == "nowhere"), "{error}");
    }
}

#[tokio::test]
async fn a_topic_is_waited_for() {
    let mock = MockCluster::new(1).unwrap();
    let endpoint = Endpoint::plaintext(mock.bootstrap_servers().parse().unwrap());
    let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, DEADLINE).await.unwrap();
    let waiting = tokio::spawn(async move { cluster.wait_for_topic("late", DEADLINE).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    mock.create_topic("late", 2, 1).unwrap();
    let found = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    assert_eq!(found.unwrap(), [0, 1]);
}
