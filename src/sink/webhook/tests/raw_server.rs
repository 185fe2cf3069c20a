//! A receiver that says exactly what a table tells it, byte for byte: what becomes of the batch, and whether the
//! connection is used again. Rows of the fault matrix (3 statuses, 4 and 5 refusals, 6 silence and ends, 7 framing,
//! 8 idle connections) carry its number.

// One case a line, however long.
#[rustfmt::skip]
mod answers;
#[rustfmt::skip]
mod scripts;

mod curl;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::{ACCEPTED, batch, settings, webhook_with};
use crate::clock::{Clock, Stop, SystemClock};
use crate::event::EventId;
use crate::http::script::{Network, Step, say};
use crate::net::dial::TcpDialer;
use crate::net::tls::{Protocol, Trust};
use crate::sink::webhook::Webhook;
use crate::sink::{Batch, DeliveryError, Fate, Sink as _};

/// What a batch comes to. Words stand in the reason.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Acknowledged,
    Retry(&'static str),
    /// After so many seconds, or whenever it suits.
    After(Option<u64>),
    Reject,
    Each(&'static [Fate]),
    Configuration(&'static str),
}

/// Whether the next batch goes over the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Kept,
    Fresh,
}

/// What the server does behind its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Close,
}

/// Row of the fault matrix, name, what the server says to a whole request, what it does then.
type Answer = (u8, &'static str, String, End, Expected, Then);

/// Row of the fault matrix, name, what the server does. Where it does not end, it takes the next request.
type Script = (u8, &'static str, Vec<Step>, Expected, Then);

/// What is wrong with a case, if anything.
fn fault(name: &str, delivered: &Result<(), DeliveryError>, found: Then, expected: (Expected, Then)) -> Option<String> {
    let as_expected = match (delivered, expected.0) {
        (Ok(()), Expected::Acknowledged) | (Err(DeliveryError::Reject { .. }), Expected::Reject) => true,
        (Err(DeliveryError::Retry { reason, after: None }), Expected::Retry(words))
        | (Err(DeliveryError::Configuration { reason }), Expected::Configuration(words)) => reason.contains(words),
        (Err(DeliveryError::Each { fates, .. }), Expected::Each(expected)) => fates == expected,
        (Err(DeliveryError::Retry { after, .. }), Expected::After(seconds)) => {
            after.map(|after| after.as_secs()) == seconds
        }
        _ => false,
    };
    let told = || format!("{name}: {delivered:?}, {found:?}, where {expected:?} was expected");
    (!as_expected || found != expected.1).then(told)
}

/// The first delivery over a connection that follows `script`, and whether the second goes over the same.
fn play(mut script: Vec<Step>, first: &Batch) -> (Result<(), DeliveryError>, Then) {
    if !matches!(script.last(), Some(Step::Close | Step::Cut | Step::Reset | Step::Stuck)) {
        script.extend([Step::Request, say(ACCEPTED)]);
    }
    let network = Network::new([script, vec![Step::Request, say(ACCEPTED)]]);
    let mut webhook = webhook_with(&network, &settings("https://a.example/x", None));
    let delivered = webhook.deliver(first);
    assert_eq!(webhook.deliver(&batch()), Ok(()), "healed");
    match network.requests().last() {
        Some((1, _)) => (delivered, Then::Kept),
        _ => (delivered, Then::Fresh),
    }
}

/// As much as does not leave at once: what the server says early is heard before all of it has left.
fn large() -> Batch {
    let mut batch = Batch::default();
    batch.push(EventId([0; 16]), |output| output.resize(1 << 20, b' '));
    batch
}

/// What is wrong with the cases of one row, if anything; and their names.
fn faults_in(wanted: u8) -> (Vec<String>, Vec<&'static str>) {
    let mut names = Vec::new();
    let mut faults = Vec::new();
    for (row, name, answer, end, expected, then) in answers::all() {
        if row == wanted {
            let mut script = vec![Step::Request];
            script.extend((!answer.is_empty()).then(|| say(&answer)));
            script.extend((end == End::Close).then_some(Step::Close));
            let (delivered, found) = play(script, &batch());
            faults.extend(fault(name, &delivered, found, (expected, then)));
            names.push(name);
        }
    }
    for (row, name, script, expected, then) in scripts::all() {
        if row == wanted {
            let early = matches!(script.first(), Some(Step::Take(_)));
            let (delivered, found) = play(script, &if early { large() } else { batch() });
            faults.extend(fault(name, &delivered, found, (expected, then)));
            names.push(name);
        }
    }
    (faults, names)
}

/// Every case of the row has its consequence, and there are some.
fn go_through(row: u8) {
    let (faults, names) = faults_in(row);
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(!names.is_empty(), "row {row} of the fault matrix");
}

#[test]
fn matrix_3_each_status_and_retry_after_has_its_consequence() {
    go_through(3);
}

#[test]
fn matrix_4_each_refusal_of_an_event_has_its_consequence() {
    go_through(4);
}

#[test]
fn matrix_5_each_status_that_tells_of_a_setting_has_its_consequence() {
    go_through(5);
}

#[test]
fn matrix_6_silence_halves_and_ends_have_their_consequence() {
    go_through(6);
}

#[test]
fn matrix_7_each_way_to_frame_an_answer_has_its_consequence() {
    go_through(7);
}

#[test]
fn matrix_8_each_end_of_an_idle_connection_has_its_consequence() {
    go_through(8);
}

#[test]
#[allow(
    clippy::print_stdout,
    reason = "how many there are is what a reader of the test's output wants to know"
)]
fn at_least_120_behaviours_of_a_receiver_are_told_apart() {
    let rows = answers::all().into_iter().map(|(row, name, ..)| (row, name));
    let rows = rows.chain(scripts::all().into_iter().map(|(row, name, ..)| (row, name)));
    let mut names = BTreeSet::new();
    for (row, name) in rows {
        assert!(names.insert(name), "{name}: twice");
        assert!(
            [0, 3, 4, 5, 6, 7, 8].contains(&row),
            "{name}: who goes through row {row}?"
        );
    }
    println!("{} behaviours of a receiver", names.len());
    assert!(names.len() >= 120, "{}", names.len());
    // What is no fault.
    go_through(0);
}

/// The kernel cuts what is said where it likes; that must change nothing.
#[test]
fn the_same_answers_over_real_sockets_have_the_same_consequence() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x", listener.local_addr().expect("bound"));
    let cases = answers::all();
    let told: Vec<(String, End)> = cases.iter().map(|case| (case.2.clone(), case.3)).collect();
    let server = thread::spawn(move || {
        told.iter()
            .map(|(answer, end)| serve(&listener, answer, *end))
            .collect()
    });
    let clock = Arc::new(SystemClock::new(Stop::new()));
    let tls = Trust::load(None)
        .expect("the public authorities")
        .client_config(Protocol::Http);
    let dialer = Arc::new(TcpDialer::new(
        tls.expect("a configuration"),
        Arc::clone(&clock) as _,
        None,
    ));
    let deliveries: Vec<_> = cases
        .iter()
        .map(|(_, name, ..)| {
            let clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
            let webhook = Webhook::new(&settings(&url, None), Arc::clone(&dialer) as _, clock);
            let mut webhook = webhook.expect("valid settings");
            let delivered = webhook.deliver(&batch());
            assert_eq!(webhook.deliver(&batch()), Ok(()), "{name}: healed");
            delivered
        })
        .collect();
    let found: Vec<Then> = server.join().expect("served");
    let faults: Vec<String> = cases
        .iter()
        .zip(deliveries.iter().zip(found))
        .filter_map(|((_, name, _, _, expected, then), (delivered, found))| {
            fault(name, delivered, found, (*expected, *then))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Answers one request with `answer` and the next with success, and tells over which connection that came.
fn serve(listener: &TcpListener, answer: &str, end: End) -> Then {
    let mut client = listener.accept().expect("a client").0;
    assert!(read_request(&mut client));
    // The client may have heard enough before the end.
    let _ = client.write_all(answer.as_bytes());
    if end == End::Close {
        let _ = client.shutdown(Shutdown::Write);
    } else if read_request(&mut client) {
        client.write_all(ACCEPTED.as_bytes()).expect("written");
        return Then::Kept;
    }
    let mut client = listener.accept().expect("a client").0;
    assert!(read_request(&mut client));
    client.write_all(ACCEPTED.as_bytes()).expect("written");
    Then::Fresh
}

/// Whether a whole request came; its body is that of [`batch`].
fn read_request(client: &mut TcpStream) -> bool {
    let mut taken = Vec::new();
    let mut byte = [0];
    while !taken.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return false;
        }
        taken.push(byte[0]);
    }
    client.read_exact(&mut vec![0; batch().bytes().len()]).is_ok()
}
