//! Prometheus itself reads `/metrics`, and the dashboard asks for nothing that is not there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use mailtap::health::exposition::families;
use serde_json::Value;

use crate::health::{begin, get};
use crate::support::port;
use crate::support::shared::in_ci;
use crate::{Stage, ends_well};

/// A program of Debian's package `prometheus`; `None`, with the reason printed, where it is absent.
fn installed(program: &str) -> Option<&'static Path> {
    let path: &'static Path = match program {
        "promtool" => Path::new("/usr/bin/promtool"),
        _ => Path::new("/usr/bin/prometheus"),
    };
    if path.exists() {
        return Some(path);
    }
    assert!(!in_ci(), "{} is missing, and this is CI", path.display());
    println!("skipped: {} is not on this machine", path.display());
    None
}

/// Delivers some mails and gives the port.
fn at_work(stage: &mut Stage) -> (crate::support::collector::Collector, u16) {
    let uids = stage.deliver(5);
    let (collector, port) = begin(stage);
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["caught up", "delivered=5"]);
    (collector, port)
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let Some(promtool) = installed("promtool") else { return };
    let mut stage = Stage::new();
    stage.configuration.inbox_name = Some("INBOX".to_owned());
    let (collector, port) = at_work(&mut stage);
    let (status, page) = get(port, "/metrics");
    assert_eq!(status, 200);
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && said.is_empty(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    ends_well(collector);
}

#[test]
fn a_real_prometheus_scrapes_and_answers_every_query_of_the_dashboard() {
    let Some(program) = installed("prometheus") else { return };
    let mut stage = Stage::new();
    let (collector, port) = at_work(&mut stage);
    let (relay, scrapes) = relay(port);
    let prometheus = Prometheus::start(program, relay, &stage);
    // A scrape is stored before the next one begins; a rate needs two.
    for _ in 0..4 {
        scrapes.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    let one = |query: &str| -> String {
        let found = prometheus.query(query);
        let [result] = found.as_slice() else {
            panic!("{query}: {found:?}")
        };
        result["value"][1].as_str().unwrap().to_owned()
    };
    assert_eq!(one("up{job=\"mailtap\"}"), "1");
    assert_eq!(one("mailtap_up"), "1");
    assert_eq!(one("mailtap_delivered_events_total{mailbox=\"INBOX\"}"), "5");
    let stored = prometheus.query("count by (__name__) ({job=\"mailtap\",__name__=~\"mailtap_.*|process_.*\"})");
    let stored: BTreeSet<&str> = stored
        .iter()
        .map(|result| result["metric"]["__name__"].as_str().unwrap())
        .collect();
    let told: BTreeSet<&str> = families().iter().map(|family| family.name).collect();
    assert_eq!(stored, told, "every name is stored, and no other");
    for query in dashboard_queries() {
        let ready = query
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1m")
            .replace("$server", ".*")
            .replace("$mailbox", ".*");
        assert!(!prometheus.query(&ready).is_empty(), "nothing comes of {query}");
    }
    drop(prometheus);
    ends_well(collector);
}

#[test]
fn the_dashboard_asks_only_for_what_the_metrics_give() {
    let names: BTreeSet<&str> = families().iter().map(|family| family.name).collect();
    let labels = ["server", "username", "mailbox", "version", "phase", "instance", "job"];
    let words = [
        "and",
        "by",
        "count",
        "increase",
        "label_values",
        "m",
        "max",
        "min",
        "on",
        "or",
        "rate",
        "sum",
        "time",
        "vector",
        "__rate_interval",
        "__range",
    ];
    let queries = dashboard_queries();
    assert!(queries.len() > 20);
    let mut asked = BTreeSet::new();
    for query in queries.iter().chain(&dashboard_texts(&["definition"])) {
        for word in query.split(|character: char| !character.is_ascii_alphanumeric() && character != '_') {
            let number = word.trim_start_matches(|character: char| character.is_ascii_digit());
            if let Some(name) = names.get(word) {
                asked.insert(*name);
            } else if !number.is_empty() && !words.contains(&number) {
                assert!(labels.contains(&word), "{word} in {query}");
            }
        }
    }
    assert_eq!(asked, names, "the dashboard shows everything");
    for legend in dashboard_texts(&["legendFormat"]) {
        for label in legend.split("{{").skip(1) {
            let label = label.split("}}").next().unwrap();
            assert!(labels.contains(&label), "{legend}");
        }
    }
}

fn dashboard_queries() -> Vec<String> {
    dashboard_texts(&["expr"])
}

/// Every text of the dashboard that stands under one of `keys`.
fn dashboard_texts(keys: &[&str]) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut texts = Vec::new();
    let mut left = vec![&dashboard];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(entries) => {
                for (key, value) in entries {
                    match value {
                        Value::String(text) if keys.contains(&key.as_str()) => texts.push(text.clone()),
                        value => left.push(value),
                    }
                }
            }
            _ => {}
        }
    }
    texts
}

/// A way to `port` that tells of everybody who takes it, so that nobody has to wait by the clock.
fn relay(port: u16) -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(("127.0.0.1", port))) else {
                return;
            };
            if sender.send(()).is_err() {
                return;
            }
            let mut request = Vec::new();
            let mut bytes = [0; 4096];
            while !request.ends_with(b"\r\n\r\n") {
                match client.read(&mut bytes) {
                    Ok(count @ 1..) => request.extend_from_slice(&bytes[..count]),
                    _ => break,
                }
            }
            let mut answer = Vec::new();
            let _ = server
                .write_all(&request)
                .and_then(|()| server.read_to_end(&mut answer));
            let _ = client.write_all(&answer);
        }
    });
    (relay, receiver)
}

/// A Prometheus of its own, ended when it is dropped.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    fn start(program: &Path, target: u16, stage: &Stage) -> Prometheus {
        let port = port::reserve();
        let configuration = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: mailtap\n  static_configs:\n  - targets: ['127.0.0.1:{target}']\n"
        );
        let file = stage.folder.write("prometheus.yml", configuration);
        let storage = stage.folder.path().join("prometheus");
        let child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", storage.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { child, port }
    }

    /// What an instant query gives.
    fn query(&self, query: &str) -> Vec<Value> {
        let mut escaped = String::new();
        for byte in query.bytes() {
            write!(escaped, "%{byte:02x}").unwrap();
        }
        let (status, body) = get(self.port, &format!("/api/v1/query?query={escaped}"));
        assert_eq!(status, 200, "{query}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["data"]["result"].as_array().unwrap().clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
