//! The same answers before curl: where it makes something else of them than we do, the table says why.
//!
//! Compared are the answers to a whole request, not the scripts, in which time, the next request or the middle of this one
//! matters. The server closes behind every answer, so that nobody waits for more; when curl would try again is not asked.
//!
//! Needs `curl`; where it is missing the test says so and passes, except with `CI=true`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::{env, thread};

use super::{Answer, answers, batch, play, read_request, say};
use crate::http::script::Step;

/// What a client makes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Acknowledged,
    /// It is a whole answer with this status, and acknowledges nothing.
    Answered(u16),
    /// Not an answer, or not all of one.
    Nothing,
}

/// Whether every curl differs from us: 7.88 (2023) and 8.23 (2026) were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differ {
    Always,
    /// The older or the newer one does: with the curl at hand it may be no difference.
    Sometimes,
}

/// When, what curl makes of it, why we do not, and which answers are meant.
type Difference = (Differ, Verdict, &'static str, &'static [&'static str]);

const DIFFERENCES: [Difference; 19] = [
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl has no use for a body; of a batch, it says what became of each event",
        &[
            r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400}}]}"#,
            r#"{"errors":true,"items":[{"create":{"status":400}},{"create":{"status":429}}]}"#,
            r#"{"errors":true,"items":[{"create":{"status":400}}]}"#,
            r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"st"#,
            r#"{"text":"Server is busy","code":9}"#,
            r#"{"ingested":1,"failed":1}"#,
        ],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "the end of the connection is no end of a head (RFC 9112, 8): what is missing may have told of a body",
        &[
            "a status line, then a close",
            "half a field, then a close",
            "no empty line, then a close",
        ],
    ),
    (
        Differ::Always,
        Verdict::Nothing,
        "curl wants all of the body; we know the status, read so much for the sake of the connection, and hang up",
        &["a body of 1 GiB", "chunks of 1 GiB", "503 with a body of 1 GiB"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl's bound for a line is wider, and interim responses may be as many as come",
        &["a line one byte longer", "a line of 64 KiB", "17 interim responses"],
    ),
    (
        Differ::Sometimes,
        Verdict::Acknowledged,
        "the bound of older curls for a head is wider",
        &["a head of more than 64 KiB"],
    ),
    (
        Differ::Sometimes,
        Verdict::Nothing,
        "newer curls count the fields of a head; we count its bytes",
        &["a head of almost 64 KiB"],
    ),
    (
        Differ::Sometimes,
        Verdict::Acknowledged,
        "older curls read the digits that come first, or none; a length that is no number is none (RFC 9112, 6.3)",
        &[
            "Content-Length +2",
            "Content-Length 0x2",
            "Content-Length 2.0",
            "two CLs in a list",
        ],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl ignores a length that it cannot count and reads to the end; the end may then be a cut",
        &["Content-Length of 2^64"],
    ),
    (
        Differ::Sometimes,
        Verdict::Acknowledged,
        "newer curls skip zeros, however many; no chunk needs more than 16 digits",
        &["a chunk size of 17 digits"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl lets Transfer-Encoding win; both lengths together ought to be an error (RFC 9112, 6.3)",
        &["TE with CL, and chunks"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "HTTP/1.0 has no transfer codings: what another reader takes for the body is unknown (RFC 9112, 6.1)",
        &["TE in HTTP/1.0"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl still knows identity, which is no transfer coding any more (RFC 9112, 7); we know chunked alone",
        &["TE identity"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl puts a folded line together (RFC 9112, 5.2); nobody folds any more but who wants to be read in two ways",
        &["obs-fold"],
    ),
    (
        Differ::Sometimes,
        Verdict::Acknowledged,
        "the same among trailers, for older curls",
        &["a folded trailer"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl takes it for a field of another name; a more lenient reader takes it for the length",
        &["space before a colon", "a field without a name"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl ends a line at LF, as it may (RFC 9112, 2.2); where others do not, there are two answers in one",
        &[
            "bare LF behind a field",
            "bare LF everywhere",
            "a chunk size that ends in LF",
        ],
    ),
    (
        Differ::Sometimes,
        Verdict::Acknowledged,
        "older curls keep the CR in the value; it must not be taken as it is (RFC 9112, 2.2)",
        &["bare CR in a field"],
    ),
    (
        Differ::Always,
        Verdict::Acknowledged,
        "curl takes a status line of HTTP/2; we spoke HTTP/1.1, and that is no answer to it (RFC 9112, 2.3)",
        &["HTTP/2.0"],
    ),
    (
        Differ::Always,
        Verdict::Answered(101),
        "curl ends with it; nobody asked for another protocol, and what follows is none of HTTP (RFC 9110, 7.8)",
        &["101, which nobody asked for"],
    ),
];

#[test]
#[allow(clippy::print_stdout, reason = "a test says why it skips, and what it has compared")]
fn where_curl_makes_something_else_of_an_answer_the_table_says_why() {
    let Ok(version) = Command::new("curl").arg("--version").output() else {
        let in_ci = env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "curl is not on this machine, and this is CI");
        println!("skipped: curl is not on this machine");
        return;
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let version = version.lines().next().unwrap_or_default();
    let cases = answers::all();
    let (mut differences, mut faults) = (0, Vec::new());
    for case in &cases {
        let (name, ours, curls) = (case.1, ours(case), curls(case));
        differences += usize::from(ours != curls);
        let row = DIFFERENCES.iter().find(|(.., names)| names.contains(&name));
        let as_expected = match row {
            Some((Differ::Always, verdict, ..)) => curls == *verdict && curls != ours,
            Some((Differ::Sometimes, verdict, ..)) => [*verdict, ours].contains(&curls),
            None => curls == ours,
        };
        if !as_expected {
            faults.push(format!(
                "{name}: {curls:?} for curl, {ours:?} for us, in the table {row:?}"
            ));
        }
    }
    assert!(faults.is_empty(), "{version}: {faults:#?}");
    println!("{} answers, {differences} differences from {version}", cases.len());
}

#[test]
fn every_row_of_the_table_is_an_answer_and_none_is_there_twice() {
    let there: BTreeSet<&str> = answers::all().iter().map(|case| case.1).collect();
    let mut seen = BTreeSet::new();
    for name in DIFFERENCES.iter().flat_map(|(.., names)| *names) {
        assert!(there.contains(name), "{name}: no such answer");
        assert!(seen.insert(name), "{name}: twice");
    }
}

fn ours((_, _, answer, ..): &Answer) -> Verdict {
    let mut script = vec![Step::Request];
    script.extend((!answer.is_empty()).then(|| say(answer)));
    script.push(Step::Close);
    let Err(error) = play(script, &batch()).0 else {
        return Verdict::Acknowledged;
    };
    let reason = error.to_string();
    let status = reason.split_once(" answered ").and_then(|(_, status)| status.get(..3));
    status
        .and_then(|status| status.parse().ok())
        .map_or(Verdict::Nothing, Verdict::Answered)
}

fn curls((_, name, answer, ..): &Answer) -> Verdict {
    let url = format!("http://{}/x", answering(answer.clone()));
    let body = String::from_utf8(batch().bytes().to_vec()).expect("JSON");
    // Without the user's settings and the proxies of the environment. The time is for a curl that hangs, not for a verdict.
    let output = Command::new("curl")
        .args(["-q", "--silent", "--noproxy", "*", "--max-time", "60"])
        .args(["--output", "/dev/null", "--write-out", "%{http_code}", "--data-binary"])
        .args([&body, &url])
        .output()
        .expect("curl runs");
    match output.status.code() {
        Some(0) => {}
        // No connection, or no time left.
        None | Some(7 | 28) => panic!("{name}: {output:?}"),
        Some(_) => return Verdict::Nothing,
    }
    match String::from_utf8_lossy(&output.stdout).parse().expect("a status") {
        200..=299 => Verdict::Acknowledged,
        status => Verdict::Answered(status),
    }
}

/// Where somebody says `answer` to the first request, and closes.
fn answering(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let mut client = listener.accept().expect("a client").0;
        assert!(read_request(&mut client));
        // The client may have heard enough before the end.
        let _ = client.write_all(answer.as_bytes());
    });
    address
}
