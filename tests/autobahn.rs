//! The Autobahn suite (autobahntestsuite, cases 1 to 7, 9 and 10) against our WebSocket client: its server plays each case,
//! an echo client made of [`Connection`] answers.
//!
//! Needs its program `wstest`, which runs on Python 2.7: `AUTOBAHN=/path/to/wstest cargo test --test autobahn`. Where it is
//! not given the test says so, loudly, and passes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use mailtap::clock::{Clock, Stop, SystemClock};
use mailtap::http::url::Url;
use mailtap::net::dial::TcpDialer;
use mailtap::net::tls::{Protocol, Trust};
use mailtap::websocket::connection::{Connection, MessageKind, RandomError};
use mailtap::websocket::message::Event;
use serde_json::{Value, json};
use support::PATIENCE;
use support::folder::Folder;
use support::port;

/// The largest message of case 9 has 16 MiB.
const LARGEST: usize = 16 * 1024 * 1024;

#[test]
fn every_case_is_ok_non_strict_or_informational() {
    let Some(program) = env::var_os("AUTOBAHN").filter(|program| !program.is_empty()) else {
        // Not by `println!`: of a test that passes nobody sees that.
        let _ = writeln!(
            io::stderr(),
            "\n**** NOT RUN: the Autobahn suite. AUTOBAHN names no wstest, which needs a Python 2.7 (.ci/autobahn) ****\n"
        );
        return;
    };
    let folder = Folder::new("autobahn");
    let port = port::reserve();
    let specification = json!({
        "url": format!("ws://127.0.0.1:{port}"),
        "outdir": folder.path().join("reports"),
        "cases": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let specification = folder.write("specification.json", specification.to_string());
    let _server = Server::start(Path::new(&program), &specification, folder.path(), port);
    let client = Client::new(port);

    let Some(Event::Text(count)) = client.open("/getCaseCount").receive(PATIENCE).unwrap() else {
        panic!("no number of cases");
    };
    let count: usize = count.parse().unwrap();
    for case in 1..=count {
        client.echo(&format!("/runCase?case={case}&agent=mailtap"));
    }
    // The server writes its report, then closes.
    let reported = client.open("/updateReports?agent=mailtap").receive(PATIENCE);
    assert!(reported.is_err(), "{reported:?}");

    let index = fs::read_to_string(folder.path().join("reports/index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let cases = index["mailtap"].as_object().unwrap();
    let mut behaviours: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    for (case, result) in cases {
        for key in ["behavior", "behaviorClose"] {
            let behaviour = result[key].as_str().unwrap();
            if !["OK", "NON-STRICT", "INFORMATIONAL"].contains(&behaviour) {
                failed.push(format!("{case} {key} {behaviour}"));
            }
        }
        *behaviours.entry(result["behavior"].as_str().unwrap()).or_default() += 1;
    }
    println!("Autobahn: {count} cases: {behaviours:?}");
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(cases.len(), count);
    assert!(count > 290, "{count} cases");
}

struct Client {
    port: u16,
    clock: Arc<dyn Clock>,
    dial: TcpDialer,
}

impl Client {
    fn new(port: u16) -> Client {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(Stop::new()));
        let tls = Trust::load(None).unwrap().client_config(Protocol::Http).unwrap();
        Client {
            port,
            dial: TcpDialer::new(tls, Arc::clone(&clock), None),
            clock,
        }
    }

    fn open(&self, path: &str) -> Connection {
        let url = Url::parse(&format!("http://127.0.0.1:{}{path}", self.port), true).unwrap();
        Connection::open(&url, LARGEST, &self.dial, Arc::clone(&self.clock), numbers).unwrap()
    }

    /// Sends back what comes, until the server has enough.
    fn echo(&self, path: &str) {
        let mut connection = self.open(path);
        while let Ok(Some(event)) = connection.receive(PATIENCE) {
            let sent = match event {
                Event::Text(text) => connection.send(&[], text.as_bytes(), MessageKind::Text),
                Event::Binary(bytes) => connection.send(&[], &bytes, MessageKind::Binary),
                _ => Ok(true),
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// Different ones each time; nobody here has anything to guess.
#[allow(clippy::unnecessary_wraps, reason = "the client asks somebody who may have none")]
fn numbers(bytes: &mut [u8]) -> Result<(), RandomError> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    for byte in bytes {
        let number = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        *byte = number.to_be_bytes()[0];
    }
    Ok(())
}

struct Server(Child);

impl Server {
    fn start(program: &Path, specification: &Path, folder: &Path, port: u16) -> Server {
        let mut child = Command::new(program)
            .args(["-m", "fuzzingserver", "-s"])
            .arg(specification)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("wstest, as AUTOBAHN names it");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "wstest has ended");
            assert!(began.elapsed() < PATIENCE, "wstest does not listen");
            thread::yield_now();
        }
        Server(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
