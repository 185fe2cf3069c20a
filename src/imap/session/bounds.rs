//! What a server may say in answer to one command, at the bound and beyond.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Arrival, Listed, Session, SessionError};
use crate::clock::{Deadline, Stop, SystemClock};
use crate::imap::pace::Pace;
use crate::limits;
use crate::net::{NetError, Stream};

/// A server that answers each command as the function says: it gets the tag and the rest of the line.
struct Server<F> {
    answer: F,
    said: Vec<u8>,
}

impl<F: FnMut(&str, &str) -> String + Send> Stream for Server<F> {
    fn read(&mut self, buffer: &mut [u8], _: Deadline) -> Result<usize, NetError> {
        let count = self.said.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.said[..count]);
        self.said.drain(..count);
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8], _: Deadline) -> Result<(), NetError> {
        let line = std::str::from_utf8(bytes).unwrap().trim_end();
        let (tag, command) = line.split_once(' ').unwrap();
        let answer = (self.answer)(tag, command);
        self.said.extend_from_slice(answer.as_bytes());
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "h:143"
    }
}

fn session(answer: impl FnMut(&str, &str) -> String + Send + 'static) -> Session {
    let said = b"* OK hello\r\n".to_vec();
    let clock = Arc::new(SystemClock::new(Stop::new()));
    Session::open(Box::new(Server { answer, said }), clock).unwrap()
}

#[test]
fn bodies_that_nobody_asked_for_end_the_session_beyond_a_number() {
    for without_uid in [true, false] {
        for more in [-1, 0, 1] {
            let count = i64::from(limits::IMAP_UNASKED_BODIES) + more;
            let mut session = session(move |tag, command| {
                assert!(command.starts_with("UID FETCH 7 "), "{command}");
                let unasked = if without_uid { "" } else { "UID 6 " };
                let mut answer =
                    format!("* 1 FETCH ({unasked}BODY[] {{1}}\r\nx)\r\n").repeat(count.try_into().unwrap());
                write!(answer, "* 2 FETCH (UID 7 BODY[] {{2}}\r\nyz)\r\n{tag} OK done\r\n").unwrap();
                answer
            });
            let listed = [Listed { uid: 7, size: 2 }];
            let mut fetch = session.fetch(&listed, Pace::default());
            let mut came = 0;
            let outcome = loop {
                match fetch.next() {
                    Ok(Some(Arrival::Message(body))) => match body.finish() {
                        Ok(fetched) => came += usize::from(fetched.is_some()),
                        Err(error) => break Err(error),
                    },
                    Ok(Some(_)) => panic!("neither missing nor refused"),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            if more > 0 {
                assert!(matches!(outcome, Err(SessionError::Protocol(_))), "{outcome:?}");
            } else {
                assert_eq!((outcome, came), (Ok(()), 1), "{without_uid} {more}");
            }
        }
    }
}

#[test]
fn a_doubt_about_many_mails_is_a_search_of_lines_that_can_be_read() {
    const FIRST: u32 = 4_000_000_000;
    let mails = u32::try_from(limits::SEARCHED_MAILS).unwrap() * 3;
    // Every 100th is left out of the listing.
    let mut searches = 0;
    let mut session = session(move |tag, command| {
        let mut answer = String::new();
        if let Some(range) = command.strip_prefix("UID SEARCH UID ") {
            searches += 1;
            assert!(searches <= 3, "{command}");
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
            answer.push_str("* SEARCH");
            for uid in (FIRST..FIRST + mails).filter(|uid| (from..=to).contains(uid)) {
                write!(answer, " {uid}").unwrap();
            }
            answer.push_str("\r\n");
        } else {
            for number in (0..mails).filter(|number| number % 100 != 50) {
                let uid = FIRST + number;
                write!(answer, "* {} FETCH (UID {uid} RFC822.SIZE 9)\r\n", number + 1).unwrap();
            }
        }
        answer + &format!("{tag} OK done\r\n")
    });
    let listed = session.list(FIRST, FIRST + mails).unwrap();
    assert_eq!(listed.len(), mails as usize);
    assert!(listed.iter().zip(FIRST..).all(|(listed, uid)| listed.uid == uid));
}

#[test]
fn a_search_that_repeats_itself_takes_no_memory_and_counts_also_when_it_is_refused() {
    for refuses in [false, true] {
        let mut session = session(move |tag, command| {
            if command.starts_with("UID SEARCH") {
                let line = format!("* SEARCH{}\r\n", " 1 2 3".repeat(100_000));
                let end = if refuses { "NO not now" } else { "OK done" };
                return format!("{}{tag} {end}\r\n", line.repeat(4));
            }
            format!("* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n* 3 FETCH (UID 3 RFC822.SIZE 9)\r\n{tag} OK done\r\n")
        });
        let uids: Vec<u32> = session.list(1, 9).unwrap().iter().map(|listed| listed.uid).collect();
        assert_eq!(uids, [1, 2, 3], "refused: {refuses}");
    }
}
