//! How a capture is, for probes, metrics and the people they wake.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use serde_json::{Value, json};

use super::ills::Party;
use super::progress::Progress;
use crate::capture::{Hub, PartitionId};
use crate::service::http::Status;

impl Status for Progress {
    fn readiness(&self) -> (bool, Value) {
        let ills = self.ills.lock();
        let all = || Party::ALL.into_iter().zip(ills.iter()).filter_map(|(party, ill)| Some((party, ill.as_ref()?)));
        let reason = match all().next() {
            Some((party, _)) => Some(format!("trouble with the {}", party.name())),
            None if !self.has_started() => Some("broker and container have not answered yet".to_owned()),
            None => None,
        };
        let troubles: serde_json::Map<_, _> = all()
            .map(|(party, (since, reason))| {
                let ill = json!({"for_seconds": since.elapsed().as_secs(), "reason": reason});
                (party.name().to_owned(), ill)
            })
            .collect();
        let partitions: Vec<_> = self
            .partitions()
            .into_iter()
            .map(|((hub, partition), at)| {
                json!({"hub": hub.name(), "partition": partition.0, "captured_to": at.captured_to, "lag_events": at.lag()})
            })
            .collect();
        let ready = reason.is_none();
        (ready, json!({"ready": ready, "reason": reason, "troubles": troubles, "partitions": partitions}))
    }

    fn refresh_metrics(&self) {
        gauge!("deltawave_capture_ready").set(f64::from(u8::from(self.readiness().0)));
        for ((hub, partition), at) in self.partitions() {
            let labels = [("hub", hub.name().to_owned()), ("partition", partition.to_string())];
            gauge!("deltawave_capture_lag_events", &labels).set(at.lag() as f64);
            gauge!("deltawave_capture_last_sequence_number", &labels).set((at.captured_to - 1) as f64);
        }
    }
}

/// A file is there, with so many records.
pub(super) fn wrote(hub: &Hub, records: u64, bytes: u64) {
    let of_hub = [("hub", hub.name().to_owned())];
    let holds = if records > 0 { "records" } else { "nothing" };
    counter!("deltawave_capture_files_total", "hub" => hub.name().to_owned(), "holds" => holds).increment(1);
    counter!("deltawave_capture_events_total", &of_hub).increment(records);
    counter!("deltawave_capture_bytes_total", &of_hub).increment(bytes);
}

/// Retention deleted so many records before they were captured.
pub(super) fn lost(hub: &Hub, partition: PartitionId, records: u64) {
    let labels = [("hub", hub.name().to_owned()), ("partition", partition.to_string())];
    counter!("deltawave_capture_lost_events_total", &labels).increment(records);
}

/// Says what each metric means, in `/metrics` itself; counts that tell of trouble begin at zero.
pub(super) fn describe() {
    for party in Party::ALL {
        counter!("deltawave_capture_retries_total", "kind" => party.name()).increment(0);
    }
    describe_gauge!("deltawave_capture_ready", "1 while capture is ready, as /readyz says it");
    describe_counter!("deltawave_capture_files_total", "Capture files written, by what they hold: records or nothing");
    describe_counter!("deltawave_capture_events_total", "Records in the files written");
    describe_counter!("deltawave_capture_bytes_total", "Bytes of the files written");
    describe_counter!(
        "deltawave_capture_lost_events_total",
        "Records that the topic's retention deleted before they were captured"
    );
    describe_counter!(
        "deltawave_capture_retries_total",
        "Tries that failed and are repeated, by what failed: blob or broker"
    );
    describe_histogram!("deltawave_capture_upload_seconds", "Time from a window's end until its file was there");
    describe_gauge!("deltawave_capture_lag_events", "Records in the topic that are in no file");
    describe_gauge!("deltawave_capture_last_sequence_number", "Sequence number of the last record in a file");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_started_and_untroubled() {
        let progress = Progress::shared();
        assert_eq!(progress.readiness().1["reason"], "broker and container have not answered yet");
        progress.started();
        assert!(progress.readiness().0);
        assert!(progress.ills.met(Party::Broker, "gone".to_owned()));
        assert!(!progress.ills.met(Party::Broker, "gone still".to_owned()), "known");
        let (ready, answer) = progress.readiness();
        assert!(!ready && answer["reason"] == "trouble with the broker", "{answer}");
        assert_eq!(answer["troubles"]["broker"]["reason"], "gone still");
        assert!(progress.ills.over(Party::Broker) && !progress.ills.over(Party::Broker));
        assert!(progress.readiness().0);
    }
}
