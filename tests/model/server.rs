//! The IMAP server (RFC 3501), as far as a reading client needs one, and what goes wrong with it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use mailtap::clock::{Clock, Deadline, Phase};
use mailtap::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};

use super::world::{Fault, Process, Truth, World, content};

const CAPABILITIES: &str = "CAPABILITY IMAP4rev1 IDLE UIDPLUS MOVE";

pub struct Server {
    pub world: Arc<World>,
    pub clock: Arc<dyn Clock>,
}

impl Dial for Server {
    fn dial(&self, _: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        let mut truth = self.world.truth();
        truth.step();
        if truth.process == Process::Killed || truth.goes_wrong(Fault::NotThere) {
            return Err(error(Phase::Connect, NetErrorKind::Io("connection refused".to_owned())));
        }
        let mut connection = Connection {
            world: Arc::clone(&self.world),
            clock: Arc::clone(&self.clock),
            age: truth.age,
            output: VecDeque::new(),
            line: Vec::new(),
            view: Vec::new(),
            selected: false,
            idle: None,
            idle_refused: false,
            had_news: false,
            mood: Mood::Answers,
        };
        if truth.goes_wrong(Fault::GreetsWithBye) {
            connection.say("* BYE too busy");
            connection.mood = Mood::Closes;
        } else {
            connection.say(&format!("* OK [{CAPABILITIES}] ready"));
        }
        Ok(Box::new(connection))
    }
}

struct Connection {
    world: Arc<World>,
    clock: Arc<dyn Clock>,
    age: u32,
    output: VecDeque<u8>,
    /// What came of a line.
    line: Vec<u8>,
    /// UIDs as this connection was told of them: their places are the sequence numbers.
    view: Vec<u32>,
    selected: bool,
    /// The tag of an IDLE.
    idle: Option<String>,
    /// The last command was IDLE, and it was refused.
    idle_refused: bool,
    /// Something was said in it.
    had_news: bool,
    mood: Mood,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Answers,
    /// It says nothing more, and the client is not told.
    Silent,
    /// It closes when all is said.
    Closes,
}

impl Stream for Connection {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        let world = Arc::clone(&self.world);
        let now = self.clock.now();
        let mut truth = world.truth();
        truth.step();
        if truth.process == Process::Runs && self.output.is_empty() && self.idle.is_some() {
            if truth.happen_next() {
                truth.now += std::time::Duration::from_secs(1);
            }
            self.tell_news(&mut truth);
        }
        if truth.process != Process::Runs || truth.ended {
            return Err(error(deadline.phase, NetErrorKind::Stopped));
        }
        if truth.goes_wrong(Fault::Silent) {
            self.mood = Mood::Silent;
        }
        if truth.goes_wrong(Fault::Bye) {
            self.output.clear();
            self.say("* BYE going down");
            self.mood = Mood::Closes;
        }
        if self.age != truth.age || truth.goes_wrong(Fault::Drops) {
            return Err(error(deadline.phase, NetErrorKind::Closed));
        }
        if self.mood == Mood::Silent || self.output.is_empty() {
            if self.mood == Mood::Closes {
                return Err(error(deadline.phase, NetErrorKind::Closed));
            }
            let left = deadline.at.saturating_duration_since(now);
            truth.now += left;
            return Err(error(deadline.phase, NetErrorKind::TimedOut(deadline.after)));
        }
        let most = [1, 7, 100, 4096][truth.random.below(4)];
        let length = buffer.len().min(self.output.len()).min(most);
        for byte in &mut buffer[..length] {
            *byte = self.output.pop_front().expect("more");
        }
        Ok(length)
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        let world = Arc::clone(&self.world);
        let mut truth = world.truth();
        truth.step();
        if truth.process == Process::Killed || self.age != truth.age {
            return Err(error(deadline.phase, NetErrorKind::Closed));
        }
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.line)).expect("a command in ASCII");
                self.command(line.trim_end(), &mut truth);
            }
        }
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "model:143"
    }
}

impl Connection {
    fn say(&mut self, line: &str) {
        self.output.extend(line.bytes());
        self.output.extend(b"\r\n");
    }

    fn command(&mut self, line: &str, truth: &mut Truth) {
        if let Some(tag) = self.idle.take() {
            assert_eq!(line, "DONE");
            if !self.had_news {
                truth.was_quiet();
            }
            return self.say(&format!("{tag} OK idled"));
        }
        // Who stops before it has read that IDLE is refused says DONE to it.
        if std::mem::take(&mut self.idle_refused) && line == "DONE" {
            return self.say("* BAD this is no IDLE");
        }
        let (tag, command) = line.split_once(' ').expect("a tag and a command");
        let (name, arguments) = command.split_once(' ').unwrap_or((command, ""));
        let may_fail = self.selected && name != "LOGOUT";
        if may_fail && truth.goes_wrong(Fault::CommandRefused) {
            self.idle_refused = name == "IDLE";
            return self.say(&format!("{tag} NO not now"));
        }
        let done = match name {
            "CAPABILITY" => {
                self.say(&format!("* {CAPABILITIES}"));
                "OK done"
            }
            "LOGIN" if truth.goes_wrong(Fault::LoginUnavailable) => "NO [UNAVAILABLE] later",
            "LOGIN" => "OK welcome",
            "EXAMINE" | "SELECT" if truth.goes_wrong(Fault::NotOpened) => "NO [UNAVAILABLE] not now",
            "EXAMINE" if truth.after_delivery.is_none() => {
                self.open(truth);
                "OK [READ-ONLY] open"
            }
            "SELECT" if truth.after_delivery.is_some() => {
                self.open(truth);
                "OK [READ-WRITE] open"
            }
            "NOOP" => {
                self.had_news = false;
                self.tell_news(truth);
                if !self.had_news {
                    truth.was_quiet();
                }
                "OK nothing more"
            }
            "IDLE" => {
                self.say("+ idling");
                self.idle = Some(tag.to_owned());
                self.had_news = false;
                self.tell_news(truth);
                return;
            }
            "LOGOUT" => {
                self.say("* BYE see you");
                self.mood = Mood::Closes;
                "OK bye"
            }
            "UID" => self.uid_command(arguments, truth),
            _ => panic!("an unknown command: {line}"),
        };
        self.say(&format!("{tag} {done}"));
    }

    fn open(&mut self, truth: &Truth) {
        self.selected = true;
        self.view = truth.mailbox.keys().copied().collect();
        let exists = self.view.len();
        self.say(&format!("* {exists} EXISTS"));
        self.say(&format!("* OK [UIDVALIDITY {}] valid", truth.uid_validity));
        self.say(&format!("* OK [UIDNEXT {}] next", truth.uid_next));
    }

    /// What changed since this connection was told.
    fn tell_news(&mut self, truth: &mut Truth) {
        let mut told = String::new();
        let mut place = 0;
        self.view.retain(|uid| {
            let there = truth.mailbox.contains_key(uid);
            if there {
                place += 1;
            } else {
                let _ = write!(told, "* {} EXPUNGE\r\n", place + 1);
            }
            there
        });
        let before = self.view.len();
        let last = self.view.last().copied().unwrap_or(0);
        self.view.extend(truth.mailbox.range(last + 1..).map(|(uid, _)| *uid));
        if self.view.len() > before {
            let _ = write!(told, "* {} EXISTS\r\n", self.view.len());
        }
        self.had_news |= !told.is_empty();
        self.output.extend(told.bytes());
    }

    fn uid_command(&mut self, arguments: &str, truth: &mut Truth) -> &'static str {
        let (name, rest) = arguments.split_once(' ').expect("a UID command");
        let (set, items) = rest
            .strip_prefix("UID ")
            .unwrap_or(rest)
            .split_once(' ')
            .unwrap_or((rest, ""));
        let asked = self.asked(set.trim_start_matches("UID "));
        if name == "SEARCH" {
            let mut found = "* SEARCH".to_owned();
            for (_, uid) in asked.iter().filter(|(_, uid)| truth.mailbox.contains_key(uid)) {
                let _ = write!(found, " {uid}");
            }
            self.say(&found);
            return "OK searched";
        }
        if name == "STORE" {
            assert_eq!(items, "+FLAGS.SILENT (\\Deleted)");
            truth.mark(asked.iter().map(|(_, uid)| *uid));
            return "OK stored";
        }
        if name == "EXPUNGE" || name == "MOVE" {
            truth.remove(asked.iter().map(|(_, uid)| *uid), name == "MOVE");
            self.tell_news(truth);
            return "OK removed";
        }
        assert_eq!(name, "FETCH");
        let bodies = items.contains("BODY.PEEK[]");
        if bodies {
            truth.was_busy();
        }
        let mut gone = false;
        for (place, uid) in asked {
            let Some(number) = truth.mailbox.get(&uid).copied() else {
                gone = true;
                continue;
            };
            let cursed = &mut truth.mails[number].cursed;
            let refused = bodies && *cursed > 0;
            *cursed -= usize::from(refused);
            if refused || bodies && truth.goes_wrong(Fault::MailRefused) {
                return "NO [SERVERBUG] cannot read that";
            }
            if bodies && truth.goes_wrong(Fault::MailLeftOut) {
                continue;
            }
            self.fetch(place, uid, number, items);
        }
        if gone {
            self.tell_news(truth);
            return "OK [EXPUNGEISSUED] some are gone";
        }
        "OK fetched"
    }

    fn fetch(&mut self, place: usize, uid: u32, number: usize, items: &str) {
        let content = content(number);
        let mut answer = format!("* {place} FETCH (UID {uid}").into_bytes();
        if items.contains("RFC822.SIZE") {
            let _ = write!(answer, " RFC822.SIZE {}", content.len());
        }
        if items.contains("INTERNALDATE") {
            let (hour, minute) = (number / 60, number % 60);
            let _ = write!(answer, " INTERNALDATE \"01-Feb-2026 {hour:02}:{minute:02}:00 +0000\"");
        }
        if items.contains("BODY.PEEK[]") {
            let _ = write!(answer, " BODY[] {{{}}}\r\n", content.len());
            answer.extend(content);
        }
        answer.extend(b")\r\n");
        self.output.extend(answer);
    }

    /// Places and UIDs of a set, as this connection knows them.
    fn asked(&self, set: &str) -> Vec<(usize, u32)> {
        let last = self.view.last().copied().unwrap_or(0);
        let number = |text: &str| {
            if text == "*" {
                last
            } else {
                text.parse::<u32>().expect("a UID")
            }
        };
        let ranges: Vec<(u32, u32)> = set
            .split(',')
            .map(|range| {
                let (first, end) = range.split_once(':').unwrap_or((range, range));
                (number(first), number(end))
            })
            .collect();
        let places = self.view.iter().enumerate().map(|(place, uid)| (place + 1, *uid));
        places
            .filter(|(_, uid)| ranges.iter().any(|(first, end)| (*first..=*end).contains(uid)))
            .collect()
    }
}

fn error(phase: Phase, kind: NetErrorKind) -> NetError {
    NetError {
        peer: "model:143".to_owned(),
        phase,
        kind,
    }
}
