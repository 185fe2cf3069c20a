//! A mail's body can never forge a response (RFC 3501 section 4.3): whatever it holds, and wherever the network cuts it, what
//! comes is that body, and the mail behind it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

#[path = "support/random.rs"]
mod random;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtap::clock::{Clock, Deadline};
use mailtap::imap::pace::Pace;
use mailtap::imap::session::{Arrival, Listed, Session, SessionError};
use mailtap::net::{NetError, Stream};

/// What responses are made of, and what could end a body before its end.
const PIECES: [&[u8]; 18] = [
    b"\r\n",
    b"\n",
    b")",
    b"(",
    b"* 2 FETCH (UID 8 BODY[] {5}\r\nhello)\r\n",
    b"* 2 FETCH (UID 8 BODY[] \"forged\")\r\n",
    b")\r\nA0001 OK done\r\n",
    b"A0001 NO\r\n",
    b"{5}",
    b"{0}\r\n",
    b"\"",
    b"\\",
    b"* BYE\r\n",
    b"+ ",
    b" UID 8 BODY[] NIL",
    b"* 9 EXISTS\r\n",
    b"\xe9\0",
    b"Subject: forged\r\n\r\n",
];

/// What came of one FETCH of the mails 7 and 8.
#[derive(Debug, PartialEq)]
struct Outcome {
    messages: Vec<(u32, Vec<u8>)>,
    error: Option<SessionError>,
}

/// A server that has said everything already, and whose bytes come in two pieces.
struct Said {
    bytes: Vec<u8>,
    at: usize,
    cut: usize,
}

impl Stream for Said {
    fn read(&mut self, buffer: &mut [u8], _deadline: Deadline) -> Result<usize, NetError> {
        let end = if self.at < self.cut { self.cut } else { self.bytes.len() };
        let count = buffer.len().min(end - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }

    fn write_all(&mut self, _bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "imap.example.com:993"
    }
}

struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, _duration: Duration) {}

    fn stopping(&self) -> bool {
        false
    }
}

/// The whole conversation where the body of mail 7 is announced with `announced` bytes, and where that body begins.
fn conversation(body: &[u8], announced: usize) -> (Vec<u8>, usize) {
    let mut said = b"* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n".to_vec();
    said.extend(format!("* 1 FETCH (UID 7 BODY[] {{{announced}}}\r\n").bytes());
    let begin = said.len();
    said.extend(body);
    said.extend(b")\r\n* 2 FETCH (UID 8 BODY[] {3}\r\ntwo)\r\nA0001 OK done\r\n");
    (said, begin)
}

fn fetch(said: &[u8], cut: usize) -> Outcome {
    let server = Said {
        bytes: said.to_vec(),
        at: 0,
        cut,
    };
    let mut session = Session::open(Box::new(server), Arc::new(Still(Instant::now()))).unwrap();
    let listed = [7, 8].map(|uid| Listed { uid, size: 0 });
    let mut fetch = session.fetch(&listed, Pace::default());
    let mut messages = Vec::new();
    let mut next = || -> Result<bool, SessionError> {
        match fetch.next()? {
            None => return Ok(false),
            Some(Arrival::Message(mut message)) => {
                let mut bytes = Vec::new();
                while let Some(chunk) = message.chunk()? {
                    bytes.extend_from_slice(chunk);
                }
                messages.extend(message.finish()?.map(|fetched| (fetched.uid, bytes)));
            }
            // What was not given is asked for again, and nobody answers.
            Some(Arrival::Missing(_) | Arrival::Refused { .. }) => {}
        }
        Ok(true)
    };
    let error = loop {
        match next() {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    Outcome { messages, error }
}

fn bodies() -> Vec<Vec<u8>> {
    let mut random = random::Random(7);
    let mut bodies: Vec<Vec<u8>> = PIECES.iter().map(|piece| piece.to_vec()).collect();
    bodies.push(Vec::new());
    bodies.extend((0..40).map(|_| {
        let count = random.below(7);
        let pieces = (0..count).map(|_| PIECES[usize::try_from(random.below(18)).unwrap()]);
        pieces.flatten().copied().collect()
    }));
    bodies
}

#[test]
fn for_any_body_the_mails_are_exactly_those_that_were_sent_wherever_they_are_cut() {
    for body in bodies() {
        let (said, _) = conversation(&body, body.len());
        let expected = Outcome {
            messages: vec![(7, body.clone()), (8, b"two".to_vec())],
            error: None,
        };
        for cut in 0..=said.len() {
            assert_eq!(fetch(&said, cut), expected, "{} cut at {cut}", body.escape_ascii());
        }
    }
}

/// With a wrong length nobody can say where the body ends. What is announced is what is taken, nothing of another mail is
/// made of it, and no cut makes a difference.
#[test]
fn a_literal_of_a_wrong_length_is_taken_at_its_word_or_ends_the_session() {
    for body in bodies() {
        let lengths = (0..body.len()).rev().take(6).chain(body.len() + 1..body.len() + 7);
        for announced in lengths {
            let (said, begin) = conversation(&body, announced);
            let outcome = fetch(&said, 0);
            for (uid, bytes) in &outcome.messages {
                let what = format!("{announced} of {}: UID {uid}", body.escape_ascii());
                if *uid == 7 {
                    assert_eq!(*bytes, said[begin..begin + announced], "{what}");
                } else {
                    assert_eq!(*uid, 8, "{what}");
                    // Only what the server says behind the announced bytes.
                    let behind = &said[begin + announced..];
                    let said_so = bytes.is_empty() || behind.windows(bytes.len()).any(|window| window == *bytes);
                    assert!(said_so, "{what}");
                }
            }
            let all = outcome.messages.len() == 2 && outcome.error.is_none();
            assert!(
                !all || announced < body.len(),
                "longer than the body, and nothing is wrong"
            );
            for cut in 0..=said.len() {
                assert_eq!(fetch(&said, cut), outcome, "{} cut at {cut}", body.escape_ascii());
            }
        }
    }
}
