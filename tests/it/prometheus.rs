//! A real Prometheus beside a running pipeline: every query of every panel and of every alert finds its series, a fault
//! fires its alert, and every SQL of the dashboards runs on the store.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deltawave::offline::{Parts, Prometheus, PrometheusTools};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::capture::bench::broker;
use crate::loader::Bench;
use crate::support::{Http, Running, capture_file, eventually, home, plain, program, quiet, unique};

/// What stands for Grafana's own.
const RATE_INTERVAL: &str = "20s";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// Panels of a dashboard that ask something, each with its title.
fn targets(dashboard: &str) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(deploy(&format!("grafana/dashboards/{dashboard}.json"))).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let asked = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(|target| (panel["title"].as_str().unwrap().to_owned(), target))
    });
    asked.collect()
}

/// An expression that is true of what is well, too: without what it is compared with.
fn uncompared(expression: &str) -> String {
    let mut words = expression.split_whitespace();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if ["==", "!=", ">", "<", ">=", "<="].contains(&word) {
            let number = words.next().unwrap_or_default();
            kept.push(number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned());
        } else {
            kept.push(word.to_owned());
        }
    }
    kept.join(" ")
}

/// What Prometheus answers; in the older form of HTTP, so that it comes in one piece.
async fn ask(address: &str, path: &str) -> Value {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(Duration::from_secs(30), ask).await.unwrap_or_else(|_| panic!("{path}: no answer"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Waits until a query finds something, and says how many series.
async fn found(address: &str, what: &str, query: &str) -> usize {
    let path = format!("/api/v1/query?query={}", escaped(query));
    eventually(&format!("{what}: {query}"), async || {
        let answer = ask(address, &path).await;
        assert_eq!(answer["status"], "success", "{what}: {query}: {answer}");
        let series = answer["data"]["result"].as_array().map_or(0, Vec::len);
        if series > 0 { Ok(series) } else { Err("nothing") }
    })
    .await
}

#[tokio::test]
async fn the_rules_are_right_and_each_fires_on_a_made_up_fault() {
    let promtool = PrometheusTools::get(&Parts::locate(), &quiet).await.unwrap().promtool;
    let cases: [(&[&str], &str); 3] = [
        (&["check", "config"], "prometheus.yml"),
        (&["check", "rules"], "rules.yml"),
        (&["test", "rules"], "rules.test.yml"),
    ];
    for (words, file) in cases {
        let ended = Command::new(&promtool).args(words).arg(file).current_dir(deploy("prometheus")).output().await;
        let ended = ended.unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        assert!(ended.status.success(), "{file}: {}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn every_panel_and_every_rule_finds_its_series() {
    let (bench, cluster) = (Bench::new().await, broker(2));
    let bootstrap = cluster.bootstrap_servers();
    let state = tempfile::tempdir().unwrap();
    let http = ["--http", "127.0.0.1:0"];
    let start = |path: &str, flags: &[&str]| {
        let mut command = program(path, &[flags, &http].concat());
        command.env("XDG_STATE_HOME", state.path()).env("DELTAWAVE_BROKER", &bootstrap);
        Running::start(command)
    };
    let blob = bench.files.url();
    let flags = ["--blob", &blob, "--store-url", &bench.store.url(), "--live", "--poll", "0.1"];
    let loader = start(env!("CARGO_BIN_EXE_loader"), &flags);
    let capture = start(env!("CARGO_BIN_EXE_capture"), &["--blob", &blob, "--window", "1", "--skip-empty"]);
    let producer = start(env!("CARGO_BIN_EXE_producer"), &["--rate", "50", "--quiet"]);
    let programs = [("loader", &loader), ("capture", &capture), ("producer", &producer)];

    let deployed = std::fs::read_to_string(deploy("prometheus/prometheus.yml")).unwrap();
    let mut configuration = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n",
        deploy("prometheus/rules.yml").display()
    );
    for (job, running) in programs {
        assert!(deployed.contains(&format!("job_name: {job}\n")), "{job} is no job of prometheus.yml");
        let address = Http::of(running).await.address().to_owned();
        configuration.push_str(&format!("  - job_name: {job}\n    static_configs: [{{targets: ['{address}']}}]\n"));
    }
    let directory = home(&unique("prometheus"));
    let prometheus = Prometheus::start(&Parts::locate(), &directory, &configuration, &quiet).await.unwrap();
    let address = prometheus.address();

    let panels = targets("pipeline");
    assert!(panels.len() > 30, "{}", panels.len());
    for (title, target) in &panels {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", RATE_INTERVAL);
        found(&address, title, &query).await;
    }
    let rules = ask(&address, "/api/v1/rules").await["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 10, "{rules:?}");
    for rule in &rules {
        let name = rule["name"].as_str().unwrap();
        found(&address, name, &uncompared(rule["query"].as_str().unwrap())).await;
        assert_eq!((rule["health"].as_str(), rule["state"].as_str()), (Some("ok"), Some("inactive")), "{rule}");
    }
    println!("prometheus: {} queries of panels and {} of rules found series", panels.len(), rules.len());

    // One fault that is no made-up one.
    let whole = capture_file((0..10).map(|number| plain(9, number)));
    bench.files.put(&bench.files.name(9, 0), whole[..whole.len() - 8].to_vec()).await;
    eventually("bad-files fires", async || {
        let alerts = ask(&address, "/api/v1/alerts").await["data"]["alerts"].clone();
        let firing = |alert: &&Value| alert["labels"]["alertname"] == "bad-files" && alert["state"] == "firing";
        match alerts.as_array().and_then(|alerts| alerts.iter().find(firing)) {
            Some(alert) if alert["annotations"]["runbook"] == "docs/operations.md#bad-files" => Ok(()),
            _ => Err(alerts.to_string()),
        }
    })
    .await;

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let data = targets("data");
    assert!(data.len() > 8, "{}", data.len());
    for (title, target) in &data {
        let sql = target["rawSql"].as_str().unwrap();
        let sql = sql.replace("$__unixEpochFrom()", &(now - 3600).to_string());
        let sql = sql.replace("$__unixEpochTo()", &(now + 3600).to_string());
        assert!(!sql.contains("$__"), "{title}: a macro that this test does not know: {sql}");
        let rows = bench.store.rows(&sql).await;
        assert!(
            !rows.is_empty() || title.starts_with("Gaps") || title.starts_with("Newest rejected"),
            "{title}: {sql}"
        );
    }
    for (name, running) in [("producer", producer), ("capture", capture), ("loader", loader)] {
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
    }
    bench.passed().await;
}
