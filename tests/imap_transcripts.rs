//! Conversations with IMAP servers, `testdata/imap/*.transcript`: the script is the network, and an hour of silence is one line.
//!
//! ```text
//! # comment
//! > call            of the session: open, log_in, start_tls_and_log_in, examine, select, uid_next, list, fetch, watch, log_out,
//!                   mailboxes ENTRY…, or carry_out SETTING UID…, which remembers what was copied
//!                   log_in USERNAME PASSWORD [by=MECHANISM] [nonce=…] [compress]; the password is a token for a mechanism that
//!                   takes one
//! B: text           the connection can be bound to these 32 characters
//! S: line           the server sends it with CRLF; `S~` with LF; `S|` without a line end
//! C: line           the client must send exactly this
//! T: seconds        the server is silent for so long
//! X:                the server closes
//! E:                both begin TLS
//! = result          of the call above, with the seconds it took where it took any
//! ```
//! Each is run twice: what the server sends comes as it likes, and byte by byte.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/shared.rs"]
mod shared;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mailtap::clock::{Clock, Deadline};
use mailtap::imap::Settings;
use mailtap::imap::action::Action;
use mailtap::imap::auth::{Credential, Mechanism};
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::imap::pace::Pace;
use mailtap::imap::reader;
use mailtap::imap::session::{Arrival, Listed, Selected, Session, SessionError, Watched};
use mailtap::imap::wanted::Wanted;
use mailtap::limits;
use mailtap::net::{Endpoint, NetError, NetErrorKind, Security, Stream};
use mailtap::secret::Secret;
use shared::{files_below, shared};

#[test]
fn every_transcript_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/imap");
    let files = files_below(&folder);
    assert!(files.len() >= 20, "{} transcripts", files.len());
    let failed: Vec<_> = files
        .iter()
        .filter(|file| std::panic::catch_unwind(|| check(file)).is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Row 14 of the fault matrix, as far as one session can tell; how mailboxes outlive it is in `tests/story`.
#[test]
fn matrix_14_literals_that_lie_or_dry_up_and_answers_that_are_missing_forged_or_unasked_for() {
    for name in [
        "disconnect-in-a-body",
        "literal-longer-than-announced",
        "literal-shorter-than-announced",
        "body-dries-up",
        "body-nil",
        "body-forges",
        "bye-midway",
        "done-never-answered",
        "dropped-early",
        "dropped-too-early",
        "login-while-busy",
        "no-on-a-range",
        "unsolicited",
        "unknown-tag",
    ] {
        check_named(name);
    }
}

/// Row 9 of the fault matrix: what is said in clear text before TLS is never taken for what is said within it.
#[test]
fn matrix_9_starttls_with_injected_bytes_sends_no_password() {
    for name in [
        "starttls-answered-early",
        "starttls-capability-forged",
        "starttls-injected-half-a-line",
        "starttls-injected-response",
        "starttls-not-offered",
        "starttls-preauth",
        "starttls-refused",
    ] {
        check_named(name);
    }
}

fn check_named(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/imap");
    check(&folder.join(format!("{name}.transcript")));
}

fn check(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy();
    println!("{name}");
    for piece in [usize::MAX, 1] {
        let (calls, script) = parse(&text);
        let (played, left) = play(&calls, script, piece);
        let expected: Vec<_> = calls.iter().map(|call| (&call.words, &call.results)).collect();
        let played: Vec<_> = calls.iter().map(|call| &call.words).zip(&played).collect();
        assert_eq!(played, expected, "{name}, in pieces of {piece}");
        assert_eq!(left, None, "{name}: not everything was said, in pieces of {piece}");
    }
}

/// One line of the script.
#[derive(Debug)]
enum Line {
    Server(Vec<u8>),
    Client(Vec<u8>),
    Silence(Duration),
    Close,
    Tls,
    Bound([u8; 32]),
}

struct Call {
    words: Vec<String>,
    results: Vec<String>,
}

fn parse(text: &str) -> (Vec<Call>, VecDeque<Line>) {
    let mut calls: Vec<Call> = Vec::new();
    let mut script = VecDeque::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (mark, rest) = line.split_at(2);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "> " => calls.push(Call {
                words: rest.split(' ').map(str::to_owned).collect(),
                results: Vec::new(),
            }),
            "= " => calls.last_mut().unwrap().results.push(rest.to_owned()),
            "S:" => script.push_back(Line::Server(format!("{rest}\r\n").into_bytes())),
            "S~" => script.push_back(Line::Server(format!("{rest}\n").into_bytes())),
            "S|" => script.push_back(Line::Server(rest.into())),
            "C:" => script.push_back(Line::Client(format!("{rest}\r\n").into_bytes())),
            "T:" => script.push_back(Line::Silence(Duration::from_secs(rest.parse().unwrap()))),
            "X:" => script.push_back(Line::Close),
            "E:" => script.push_back(Line::Tls),
            "B:" => script.push_back(Line::Bound(rest.as_bytes().try_into().unwrap())),
            _ => panic!("{line}"),
        }
    }
    (calls, script)
}

/// The results of each call, and what is left of the script.
fn play(calls: &[Call], mut script: VecDeque<Line>, piece: usize) -> (Vec<Vec<String>>, Option<String>) {
    let clock = Arc::new(FakeClock(Mutex::new(Instant::now())));
    let channel_binding = script.iter().find_map(|line| match line {
        Line::Bound(binding) => Some(*binding),
        _ => None,
    });
    script.retain(|line| !matches!(line, Line::Bound(_)));
    let script = Arc::new(Mutex::new(script));
    let mut stream = Some(Script {
        lines: Arc::clone(&script),
        clock: Arc::clone(&clock),
        piece,
        channel_binding,
    });
    let mut session = None;
    let mut selected = None;
    let mut copied = BTreeSet::new();
    let mut results = Vec::new();
    for call in calls {
        let started = clock.now();
        let mut lines = Vec::new();
        let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
        let result =
            match (&*words, &mut session) {
                (["open"], session) => Session::open(Box::new(stream.take().unwrap()), clock.clone()).map(|opened| {
                    *session = Some(opened);
                    lines.push("ok".to_owned());
                }),
                (["log_in", words @ ..], Some(session)) => {
                    log_in(session, words, Security::Tls).map(|()| lines.push("ok".to_owned()))
                }
                (["start_tls_and_log_in", words @ ..], Some(session)) => {
                    log_in(session, words, Security::StartTls).map(|()| lines.push("ok".to_owned()))
                }
                ([how @ ("examine" | "select"), mailbox], Some(session)) => {
                    let mailbox = MailboxName::new(mailbox);
                    let opened = if *how == "select" {
                        session.select(&mailbox)
                    } else {
                        session.examine(&mailbox)
                    };
                    opened.map(|found| {
                        let Selected {
                            uid_validity,
                            uid_next,
                            exists,
                        } = found;
                        lines.push(format!(
                            "uid_validity={uid_validity} uid_next={uid_next:?} exists={exists}"
                        ));
                        selected = Some(found);
                    })
                }
                (["carry_out", setting, uids @ ..], Some(session)) => {
                    let action = Action::read(setting).unwrap().unwrap();
                    let uids = uids.iter().map(|uid| uid.parse::<u32>().unwrap()).collect();
                    session
                        .carry_out(&action, &uids, &mut copied)
                        .map(|carried| lines.push(format!("{carried:?}")))
                }
                (["mailboxes", entries @ ..], Some(session)) => mailboxes(session, entries, &mut lines),
                (["uid_next", mailbox], Some(session)) => session
                    .uid_next(&MailboxName::new(mailbox), &selected.unwrap())
                    .map(|next| lines.push(next.map_or("unknown".to_owned(), |next| next.to_string()))),
                (["list", first, last], Some(session)) => session
                    .list(first.parse().unwrap(), last.parse().unwrap())
                    .map(|listed| {
                        lines.extend(listed.iter().map(|Listed { uid, size }| format!("{uid}:{size}")));
                    }),
                (["fetch", listed @ ..], Some(session)) => fetch(session, listed, &mut lines),
                (["watch", seconds], Some(session)) => session
                    .watch(Duration::from_secs(seconds.parse().unwrap()), &mut || {})
                    .map(|watched| {
                        lines.push(match watched {
                            Watched::News => "news".to_owned(),
                            Watched::Quiet => "quiet".to_owned(),
                        });
                    }),
                (["log_out"], session) => {
                    session.take().unwrap().log_out();
                    Ok(())
                }
                _ => panic!("{words:?}"),
            };
        if let Err(error) = result {
            lines.push(format!("error: {error}"));
        }
        let seconds = (clock.now() - started).as_secs();
        if let Some(last) = lines.last_mut().filter(|_| seconds > 0) {
            write!(last, " ({seconds} s)").unwrap();
        }
        results.push(lines);
    }
    drop((session, stream));
    let script = script.lock().unwrap();
    // The client need not hear everything, but it must have said everything.
    let unsaid = |line: &&Line| matches!(line, Line::Client(_) | Line::Tls);
    let left = script.iter().find(unsaid).map(|line| format!("{line:?}"));
    (results, left)
}

fn mailboxes(session: &mut Session, entries: &[&str], lines: &mut Vec<String>) -> Result<(), SessionError> {
    let wanted: Vec<Wanted> = entries.iter().map(|entry| Wanted::read(entry).unwrap()).collect();
    let listing = session.mailboxes(&wanted)?;
    lines.extend(listing.found.iter().map(|found| found.name.to_string()));
    Ok(())
}

fn log_in(session: &mut Session, words: &[&str], security: Security) -> Result<(), SessionError> {
    let [username, secret, options @ ..] = words else {
        panic!("{words:?}");
    };
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name));
    let mechanism = option("by=").map(|name| Mechanism::named(name).unwrap());
    let secret = Secret::new((*secret).to_owned());
    // A token that comes with no mechanism named says so itself.
    let is_token = mechanism.map_or(secret.expose().starts_with("ya29."), Mechanism::takes_token);
    let credential = if is_token {
        Credential::Token(secret)
    } else {
        Credential::Password(secret)
    };
    let settings = Settings {
        mechanism,
        compress: options.contains(&"compress"),
        ..settings(username, security)
    };
    session.log_in(&settings, &credential, option("nonce=").unwrap_or("a-nonce"))
}

/// `uid`, `uid:size`, or `uid!` for one whose body is dropped after its first bytes.
fn fetch(session: &mut Session, words: &[&str], lines: &mut Vec<String>) -> Result<(), SessionError> {
    let listed: Vec<Listed> = words
        .iter()
        .map(|word| {
            let (uid, size) = word
                .trim_end_matches('!')
                .split_once(':')
                .unwrap_or((word.trim_end_matches('!'), "0"));
            Listed {
                uid: uid.parse().unwrap(),
                size: size.parse().unwrap(),
            }
        })
        .collect();
    let mut fetch = session.fetch(&listed, Pace::default());
    while let Some(arrival) = fetch.next()? {
        match arrival {
            Arrival::Message(mut body) => {
                let before = body.uid();
                if before.is_some_and(|uid| words.contains(&format!("{uid}!").as_str())) {
                    body.chunk()?;
                    lines.push(format!("dropped {}", before.unwrap()));
                    continue;
                }
                let length = body.length();
                let mut bytes = Vec::new();
                while let Some(chunk) = body.chunk()? {
                    assert!(!chunk.is_empty());
                    bytes.extend_from_slice(chunk);
                }
                assert_eq!(bytes.len() as u64, length);
                let bytes = bytes.escape_ascii();
                lines.push(match body.finish()? {
                    None => format!("unasked \"{bytes}\""),
                    Some(fetched) => {
                        assert!(before.is_none_or(|uid| uid == fetched.uid));
                        let mut line = format!("message {}", fetched.uid);
                        if let Some(date) = fetched.internal_date_ms {
                            write!(line, " date={date}").unwrap();
                        }
                        format!("{line} \"{bytes}\"")
                    }
                });
            }
            Arrival::Missing(uid) => lines.push(format!("missing {uid}")),
            Arrival::Refused { uid, text } => lines.push(format!("refused {uid} {text}")),
        }
    }
    Ok(())
}

fn settings(username: &str, security: Security) -> Settings {
    Settings {
        endpoint: Endpoint {
            host: "imap.example.com".to_owned(),
            port: 993,
            security,
        },
        username: username.to_owned(),
        mechanism: None,
        compress: false,
    }
}

struct FakeClock(Mutex<Instant>);

impl Clock for FakeClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }

    fn stopping(&self) -> bool {
        false
    }
}

/// The network: what stands before the next `C:` can be read; a `C:` must be written before what stands behind it.
struct Script {
    lines: Arc<Mutex<VecDeque<Line>>>,
    clock: Arc<FakeClock>,
    piece: usize,
    channel_binding: Option<[u8; 32]>,
}

impl Stream for Script {
    fn channel_binding(&self) -> Option<[u8; 32]> {
        self.channel_binding
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        assert!(!buffer.is_empty(), "no room to read into");
        let mut lines = self.lines.lock().unwrap();
        loop {
            let left = deadline.remaining(self.clock.now()).unwrap_or_default();
            match lines.front_mut() {
                Some(Line::Server(bytes)) => {
                    let count = bytes.len().min(self.piece).min(buffer.len());
                    buffer[..count].copy_from_slice(&bytes[..count]);
                    bytes.drain(..count);
                    if bytes.is_empty() {
                        lines.pop_front();
                    }
                    return Ok(count);
                }
                Some(Line::Silence(silence)) if *silence < left => {
                    self.clock.wait(*silence);
                    lines.pop_front();
                }
                Some(Line::Close) => {
                    lines.pop_front();
                    return Ok(0);
                }
                front => {
                    if let Some(Line::Silence(silence)) = front {
                        *silence -= left;
                    }
                    self.clock.wait(left);
                    return Err(NetError {
                        peer: self.peer().to_owned(),
                        phase: deadline.phase,
                        kind: NetErrorKind::TimedOut(deadline.after),
                    });
                }
            }
        }
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        match self.lines.lock().unwrap().front_mut() {
            Some(Line::Server(bytes)) => {
                buffer[0] = bytes.remove(0);
                Ok(Some(1))
            }
            Some(Line::Close) => Ok(Some(0)),
            _ => Ok(None),
        }
    }

    fn start_tls(&mut self, _deadline: Deadline) -> Result<(), NetError> {
        let line = self.lines.lock().unwrap().pop_front();
        assert!(matches!(line, Some(Line::Tls)), "TLS begins too early: {line:?}");
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        let mut lines = self.lines.lock().unwrap();
        while !bytes.is_empty() {
            let next = lines.iter().position(|line| matches!(line, Line::Client(_)));
            let Some(next) = next else {
                panic!(
                    "the client says {:?}, and nothing is expected",
                    bytes.escape_ascii().to_string()
                );
            };
            let Some(Line::Client(expected)) = lines.remove(next) else {
                panic!()
            };
            let count = expected.len().min(bytes.len());
            assert_eq!(
                bytes[..count].escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "the client says something else"
            );
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "imap.example.com:993"
    }
}

/// A server that lists what it is told to, gives empty mails, and says NO to every FETCH of bodies that asks for a bad one.
struct Generous {
    listed: u32,
    bad: Vec<u32>,
    /// How many mails each FETCH of bodies asked for.
    asked: Arc<Mutex<Vec<usize>>>,
    out: VecDeque<u8>,
}

impl Stream for Generous {
    fn read(&mut self, buffer: &mut [u8], _deadline: Deadline) -> Result<usize, NetError> {
        let count = buffer.len().min(self.out.len());
        for (place, byte) in buffer.iter_mut().zip(self.out.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        assert!(bytes.len() <= 8000, "a command of {} bytes", bytes.len());
        let command = std::str::from_utf8(bytes).unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        let tag = words[0];
        if !command.contains("BODY.PEEK[]") {
            for uid in (1..=self.listed).rev() {
                self.out.extend(format!("* 1 FETCH (UID {uid})\r\n").bytes());
            }
            self.out.extend(format!("{tag} OK\r\n").bytes());
            return Ok(());
        }
        let mut uids = Vec::new();
        for run in words[3].split(',') {
            let (first, last) = run.split_once(':').unwrap_or((run, run));
            uids.extend(first.parse::<u32>().unwrap()..=last.parse().unwrap());
        }
        self.asked.lock().unwrap().push(uids.len());
        if uids.iter().any(|uid| self.bad.contains(uid)) {
            self.out.extend(format!("{tag} NO no\r\n").bytes());
            return Ok(());
        }
        for uid in uids {
            self.out
                .extend(format!("* 1 FETCH (UID {uid} BODY[] \"\")\r\n").bytes());
        }
        self.out.extend(format!("{tag} OK\r\n").bytes());
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "imap.example.com:993"
    }
}

fn generous(listed: u32, bad: &[u32]) -> (Session, Arc<Mutex<Vec<usize>>>) {
    let clock = Arc::new(FakeClock(Mutex::new(Instant::now())));
    let asked = Arc::default();
    let server = Generous {
        listed,
        bad: bad.to_vec(),
        asked: Arc::clone(&asked),
        out: b"* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n".to_vec().into(),
    };
    (Session::open(Box::new(server), clock).unwrap(), asked)
}

/// The UIDs that come and those that are refused, and the pace afterwards.
fn fetch_all(session: &mut Session, listed: &[Listed], pace: Pace) -> (Vec<u32>, Vec<u32>, Pace) {
    let mut fetch = session.fetch(listed, pace);
    let (mut came, mut refused) = (Vec::new(), Vec::new());
    while let Some(arrival) = fetch.next().unwrap() {
        match arrival {
            Arrival::Message(body) => came.push(body.finish().unwrap().unwrap().uid),
            Arrival::Refused { uid, .. } => refused.push(uid),
            Arrival::Missing(uid) => panic!("{uid} is missing"),
        }
    }
    let (pace, left) = fetch.end();
    assert_eq!(left, []);
    came.sort_unstable();
    (came, refused, pace)
}

#[test]
fn commands_are_as_large_as_their_three_bounds_allow() {
    let batches = |listed: &[Listed]| {
        let (mut session, asked) = generous(0, &[]);
        let (came, refused, _) = fetch_all(&mut session, listed, Pace::default());
        assert_eq!((came.len(), refused.len()), (listed.len(), 0));
        asked.lock().unwrap().clone()
    };
    let of = |count: u32, size: u64, step: u32| -> Vec<Listed> {
        let uid = |at: u32| 4_000_000_000 + at * step;
        (0..count).map(|at| Listed { uid: uid(at), size }).collect()
    };
    let mails = limits::IMAP_BATCH_MAILS;
    let many = u32::try_from(mails).unwrap();
    assert_eq!(batches(&of(many - 1, 0, 2)), [mails - 1]);
    assert_eq!(batches(&of(many, 0, 2)), [mails]);
    assert_eq!(batches(&of(many + 1, 0, 1)), [mails, 1]);
    let half = limits::IMAP_BATCH_BYTES / 2;
    assert_eq!(batches(&of(3, half - 1, 1)), [2, 1]);
    assert_eq!(batches(&of(3, half, 1)), [2, 1]);
    assert_eq!(batches(&of(3, half + 1, 1)), [1, 1, 1]);
    let whole = limits::IMAP_BATCH_BYTES;
    assert_eq!(batches(&of(2, whole, 1)), [1, 1]);
    assert_eq!(batches(&of(2, u64::MAX, 1)), [1, 1]);
}

#[test]
fn one_bad_mail_in_a_range_is_found_in_few_commands() {
    let listed: Vec<Listed> = (1..=500).map(|uid| Listed { uid, size: 4000 }).collect();
    for (bad, most) in [(vec![1], 19), (vec![237], 19), (vec![500], 19), (vec![7, 8, 400], 43)] {
        let (mut session, asked) = generous(0, &bad);
        let (came, refused, pace) = fetch_all(&mut session, &listed, Pace::default());
        let good: Vec<u32> = (1..=500).filter(|uid| !bad.contains(uid)).collect();
        assert_eq!((came, &refused), (good, &bad));
        let commands = asked.lock().unwrap().len();
        assert!(commands <= most, "{commands} commands for {bad:?}");
        assert!(
            pace.mails() < limits::IMAP_BATCH_MAILS,
            "a server that refuses is asked for less"
        );
    }
}

#[test]
fn a_slow_pace_asks_for_little_and_recovers() {
    let listed: Vec<Listed> = (1..=500).map(|uid| Listed { uid, size: 4000 }).collect();
    let mut pace = Pace::default();
    for _ in 0..20 {
        pace.slow_down();
    }
    let (mut session, asked) = generous(0, &[]);
    let (came, _, pace) = fetch_all(&mut session, &listed, pace);
    assert_eq!(came.len(), 500);
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0], 1);
    assert!(pace.mails() > 10 && asked.iter().max() > asked.first(), "{asked:?}");
}

#[test]
fn a_fetch_that_is_held_asks_for_no_more_and_loses_nothing() {
    let listed: Vec<Listed> = (1..=5000).map(|uid| Listed { uid, size: 4000 }).collect();
    let (mut session, _) = generous(0, &[]);
    let mut fetch = session.fetch(&listed, Pace::default());
    let mut came = Vec::new();
    while let Some(arrival) = fetch.next().unwrap() {
        let Arrival::Message(body) = arrival else { panic!() };
        came.push(body.finish().unwrap().unwrap().uid);
        fetch.hold();
    }
    let (pace, left) = fetch.end();
    assert_eq!(came.len(), 2 * limits::IMAP_BATCH_MAILS, "what was in flight");
    let (rest, _, _) = fetch_all(&mut session, &left, pace);
    assert_eq!([came, rest].concat(), (1..=5000).collect::<Vec<u32>>());
}

#[test]
fn a_listing_without_end_gives_its_lowest_uids() {
    let limit = limits::LISTED_MAILS;
    for (sent, expected) in [
        (limit - 1, limit - 1),
        (limit, limit),
        (limit + 1, limit),
        (2 * limit + 1, limit),
    ] {
        let (mut session, _) = generous(u32::try_from(sent).unwrap(), &[]);
        let listed = session.list(1, u32::MAX).unwrap();
        assert_eq!(listed.len(), expected);
        assert_eq!((listed[0].uid, listed[expected - 1].uid as usize), (1, expected));
    }
}

/// Five seconds for each piece of a mail: at the floor rate it may take for ever, at half of it the first minute is used up.
#[test]
fn the_floor_rate_divides_slow_from_hung() {
    let rate = usize::try_from(limits::IMAP_FLOOR_RATE).unwrap();
    let steps = 2 * limits::IMAP_LITERAL_SILENCE.as_secs() / 5;
    for (piece, whole) in [(5 * rate, true), (5 * rate / 2, false)] {
        let length = usize::try_from(steps).unwrap() * piece;
        let mut text = format!(
            "> open\nS: * PREAUTH [CAPABILITY IMAP4rev1] hello\n> fetch 7\n\
             C: A0001 UID FETCH 7 (UID INTERNALDATE BODY.PEEK[])\nS: * 1 FETCH (UID 7 BODY[] {{{length}}}\n"
        );
        for _ in 0..steps {
            write!(text, "T: 5\nS| {}\n", "x".repeat(piece)).unwrap();
        }
        text.push_str("S: )\nS: A0001 OK done\n");
        let (calls, script) = parse(&text);
        let (played, _) = play(&calls, script, usize::MAX);
        let found = played[1].last().unwrap();
        if whole {
            let begins = found.starts_with("message 7 \"xxx");
            assert!(
                begins && found.ends_with(&format!("\" ({} s)", 5 * steps)),
                "at the floor rate"
            );
        } else {
            // Half of each step is lost, so the minute is over after nearly two.
            assert!(found.ends_with("IMAP mail body: nothing for 60 s (114 s)"), "{found}");
        }
    }
}

/// A server that answers every command with responses that nobody asked for, and never with its end.
struct Endless(usize);

impl Stream for Endless {
    fn read(&mut self, buffer: &mut [u8], _deadline: Deadline) -> Result<usize, NetError> {
        const LINE: &[u8] = b"* 1 RECENT\r\n";
        for place in &mut *buffer {
            *place = LINE[self.0 % LINE.len()];
            self.0 += 1;
        }
        Ok(buffer.len())
    }

    fn write_all(&mut self, _bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "imap.example.com:993"
    }
}

#[test]
fn a_server_that_never_stops_talking_is_left() {
    let clock = Arc::new(FakeClock(Mutex::new(Instant::now())));
    let greeting = VecDeque::from([Line::Server(b"* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n".to_vec())]);
    let greeting = Script {
        lines: Arc::new(Mutex::new(greeting)),
        clock: Arc::clone(&clock),
        piece: usize::MAX,
        channel_binding: None,
    };
    let mut session = Session::open(Box::new(Then(greeting, Endless(0))), clock).unwrap();
    let error = session.list(1, u32::MAX).unwrap_err().to_string();
    let expected = format!("more than {} responses to one command", limits::IMAP_RESPONSES);
    assert!(error.contains(&expected), "{error}");
}

/// What the one has to say, then the other.
struct Then(Script, Endless);

impl Stream for Then {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        if self.0.lines.lock().unwrap().is_empty() {
            return self.1.read(buffer, deadline);
        }
        self.0.read(buffer, deadline)
    }

    fn write_all(&mut self, _bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "imap.example.com:993"
    }
}

#[test]
fn lines_of_other_projects_are_read_without_panic_and_alike_in_every_piece() {
    let Some(folder) = shared("transcripts") else { return };
    let mut count = 0;
    for file in files_below(&folder.join("jsonl")) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let bytes = BASE64_STANDARD.decode(line["b64"].as_str().unwrap()).unwrap();
            reader::fuzz(&bytes);
            reader::fuzz(&[&bytes[..], b"\r\n"].concat());
            count += 1;
        }
    }
    let seeds = std::fs::read(folder.join("mox-fuzzseed.txt")).unwrap();
    reader::fuzz(&seeds);
    for line in seeds.split_inclusive(|byte| *byte == b'\n') {
        reader::fuzz(line);
        count += 1;
    }
    assert!(count > 2000, "{count} lines");
}

/// Every `BODY[]` of the recorded sessions, as their own bytes announce it.
#[test]
fn recorded_sessions_yield_their_mails() {
    let Some(folder) = shared("transcripts/live-dovecot-2.3.19") else {
        return;
    };
    let mut mails = 0;
    for file in files_below(&folder) {
        if file.extension().is_none_or(|extension| extension != "raw") {
            continue;
        }
        let stream = std::fs::read(&file).unwrap();
        reader::fuzz(&stream);
        let expected = literals_behind(&stream, b"BODY[] {");
        let mut found = Vec::new();
        let mut reader = reader::Reader::new();
        let mut rest = &stream[..];
        let mut current: Option<Vec<u8>> = None;
        loop {
            if let Some(body) = &mut current {
                body.extend_from_slice(reader.body());
                if reader.body_left() == 0 {
                    found.extend(current.take());
                }
            }
            if current.is_none() {
                match reader
                    .event()
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
                {
                    reader::Event::Body { .. } => current = Some(Vec::new()),
                    reader::Event::Response(_) => {}
                    reader::Event::Hungry if rest.is_empty() => break,
                    reader::Event::Hungry => {
                        let space = reader.space();
                        let count = space.len().min(rest.len());
                        space[..count].copy_from_slice(&rest[..count]);
                        reader.filled(count);
                        rest = &rest[count..];
                    }
                }
            } else if !reader.body_is_here() {
                let space = reader.space();
                let count = space.len().min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                reader.filled(count);
                rest = &rest[count..];
            }
        }
        mails += found.len();
        assert!(found == expected, "{}", file.display());
    }
    assert!(mails >= 3, "{mails} mails");
}

fn literals_behind(stream: &[u8], mark: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = stream[at..].windows(mark.len()).position(|window| window == mark) {
        let digits = at + next + mark.len();
        let end = digits + stream[digits..].iter().position(|byte| *byte == b'}').unwrap();
        let length: usize = std::str::from_utf8(&stream[digits..end]).unwrap().parse().unwrap();
        let start = end + 3;
        found.push(stream[start..start + length].to_vec());
        at = start + length;
    }
    found
}
