//! The server's side of one connection: it takes commands, and does with each what the script chooses.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::look::Look;
use super::way_in::Compressed;
use super::{State, World};
use crate::clock::{Clock as _, Deadline};
use crate::net::{NetError, NetErrorKind, Stream};

/// Rests of the good server at the end, each with all mail delivered before: in IDLE, and between two NOOPs. After so many
/// there is nothing left to do.
const REST_IN_IDLE: usize = 12;
const REST_IN_NOOP: usize = 1;
const RESTS: usize = 48;

pub(super) struct Conversation {
    pub world: World,
    /// What came of a command so far.
    input: Vec<u8>,
    output: Vec<u8>,
    /// So much of it was read, and so much is read at a time.
    sent: usize,
    piece: usize,
    /// UIDs by sequence number, as this session has seen them.
    pub view: Vec<u32>,
    /// UIDVALIDITY when the mailbox was opened, and what the client may have understood it to be: 0 is that it was not told.
    pub uid_validity: u32,
    pub told: BTreeSet<u32>,
    /// The listing of the moment.
    pub look: Look,
    /// The last EXISTS, less what was expunged since.
    exists: usize,
    /// Some of what belongs to this command was said so that it may not be read.
    pub garbled: bool,
    pub waits_for: Awaited,
    voice: Voice,
    pub in_tls: bool,
    pub compressed: Option<Compressed>,
    /// It took part in a login in which it could not prove itself.
    pub is_impostor: bool,
}

/// Whether more is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Speaks,
    /// For ever, and it does not close.
    IsSilent,
    Closes,
}

/// What the next line is.
pub(super) enum Awaited {
    Command,
    /// The end of AUTHENTICATE with this tag.
    Proof(String),
    /// The same, and it will be refused.
    Refusal(String),
    /// SCRAM's first message, and its proof.
    ScramFirst(String),
    ScramProof(String),
    /// The end of IDLE with this tag.
    Done(String),
}

impl Conversation {
    pub(super) fn new(world: &World) -> Conversation {
        let mut conversation = Conversation {
            world: world.clone(),
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            piece: usize::MAX,
            view: Vec::new(),
            uid_validity: 0,
            told: BTreeSet::new(),
            look: Look::default(),
            exists: 0,
            garbled: false,
            waits_for: Awaited::Command,
            voice: Voice::Speaks,
            in_tls: false,
            compressed: None,
            is_impostor: false,
        };
        let mut state = world.lock();
        state.store.begin_session();
        conversation.greet(&mut state);
        drop(state);
        conversation
    }

    pub(super) fn say(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["*", number, "EXISTS"] => self.exists = number.parse().unwrap_or_default(),
            ["*", _, "EXPUNGE"] => self.exists = self.exists.saturating_sub(1),
            _ => {}
        }
        self.send(line.as_bytes());
        self.send(b"\r\n");
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        match &mut self.compressed {
            _ if self.voice != Voice::Speaks => {}
            Some(compressed) => compressed.deflate(bytes, &mut self.output),
            None => self.output.extend_from_slice(bytes),
        }
    }

    pub(super) fn is_all_read(&self) -> bool {
        self.sent >= self.output.len()
    }

    pub(super) fn speaks(&self) -> bool {
        self.voice == Voice::Speaks
    }

    pub(super) fn close(&mut self) {
        self.voice = Voice::Closes;
    }

    pub(super) fn fall_silent(&mut self) {
        if self.speaks() {
            self.voice = Voice::IsSilent;
        }
    }

    fn greet(&mut self, state: &mut State) {
        self.piece = match state.script.choose(4) {
            1 => 5,
            2 => 64,
            3 => 1000,
            _ => usize::MAX,
        };
        match state.script.choose(48) {
            1 => self.say("* OK [CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN] ready"),
            2 => self.say("* PREAUTH ready"),
            3 => self.say("* BYE full"),
            4 => self.say("* NO"),
            5 => self.say("ready"),
            6 => self.close(),
            7 => self.fall_silent(),
            8 => self.say("* OK your quota is {5}"),
            9 => self.send(b"* OK ready\n"),
            10 => self.say("* 3 EXISTS"),
            _ => self.say("* OK ready"),
        }
    }

    fn command(&mut self, state: &mut State, line: &str) {
        state.commands = state.commands.saturating_add(1);
        assert!(state.commands <= state.most_commands, "commands without end: {line}");
        self.happen(state);
        match std::mem::replace(&mut self.waits_for, Awaited::Command) {
            Awaited::Proof(tag) => {
                self.end(state, &tag);
                return;
            }
            Awaited::Refusal(tag) => return self.say(&format!("{tag} NO [AUTHENTICATIONFAILED] expired")),
            Awaited::ScramFirst(tag) => return self.challenge(state, &tag, line),
            Awaited::ScramProof(tag) => return self.conclude(state, &tag),
            Awaited::Done(tag) => {
                assert_eq!(line, "DONE");
                self.tell_changes(state);
                self.end(state, &tag);
                return;
            }
            Awaited::Command => {}
        }
        assert!(!self.is_impostor || line == "*", "it goes on with an impostor: {line}");
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        let searches = self.look.is_followed_by(state, command);
        self.garbled = false;
        self.noise(state);
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["CAPABILITY"] => self.capability(state),
            ["ID" | "LOGOUT", ..] => {}
            ["LOGIN" | "AUTHENTICATE", ..] => return self.authenticate(state, tag, &words),
            ["STARTTLS"] if self.world.choices.start_tls() => return self.start_tls(state, tag),
            ["COMPRESS", "DEFLATE"] if self.world.choices.imap.compress => return self.compress(state, tag),
            ["LIST", ..] if self.world.choices.lists => self.list_mailboxes(state),
            ["EXAMINE", _] if self.world.choices.action.is_none() => return self.examine(state, tag),
            ["SELECT", _] if self.world.choices.action.is_some() => return self.examine(state, tag),
            ["UID", "STORE" | "COPY" | "MOVE" | "EXPUNGE", set, ..] => {
                return self.write(state, tag, &words, &uids(set));
            }
            ["STATUS", ..] => self.status(state),
            ["UID", "FETCH", set, "(UID", "INTERNALDATE", "BODY.PEEK[])"] => {
                return self.fetch(state, tag, &uids(set));
            }
            ["UID", "FETCH", "*", ..] => {
                let last = self.view.last().copied().unwrap_or_default();
                self.list(state, &[last..=last]);
            }
            ["UID", "FETCH", set, "(UID", "RFC822.SIZE)"] => return self.look(state, tag, &uids(set)),
            ["UID", "FETCH", set, ..] => self.list(state, &uids(set)),
            ["UID", "SEARCH", "UID", set] => {
                let told = self.search(state, &uids(set));
                if searches {
                    self.look.found(&told);
                } else {
                    self.deny(state, &uids(set), &told);
                }
            }
            ["NOOP"] => {
                self.tell_changes(state);
                self.rest(state, REST_IN_NOOP);
            }
            ["IDLE"] => return self.idle(state, tag),
            // The end of what the server has ended of itself: IDLE, a login, or a literal.
            _ => {
                let late = matches!(line, "DONE" | "*" | "" | "AQ==" | "Entwürfe/*");
                return assert!(late, "a command that changes something, or is none: {line}");
            }
        }
        self.noise(state);
        self.end(state, tag);
    }

    /// Which mails are there.
    fn look(&mut self, state: &mut State, tag: &str, uids: &[RangeInclusive<u32>]) {
        if let [range] = uids {
            let unclear = self.look.unclear || self.is_stale(state);
            self.look = Look::at(*range.start(), *range.end());
            self.look.unclear = unclear;
        }
        self.list(state, uids);
        self.noise(state);
        self.look.unclear |= !self.end(state, tag);
        self.look.ends(state, &self.view, self.exists);
    }

    /// SEARCH is asked whether mails are there that did not come.
    fn deny(&self, state: &mut State, uids: &[RangeInclusive<u32>], told: &BTreeSet<u32>) {
        for uid in uids.iter().cloned().flatten() {
            if !told.contains(&uid)
                && let Some(mail) = state.store.named(self.uid_validity, uid)
            {
                mail.fate.denied |= mail.fate.ungiven >= 2;
            }
        }
    }

    /// What others do to the mailbox.
    fn happen(&mut self, state: &mut State) {
        match state.script.choose(24) {
            1..=3 => state.store.receive(&mut state.script),
            4 => {
                let which = state.script.choose(u8::MAX);
                state.store.expunge(which);
            }
            5 => {
                let how = state.script.choose(4);
                state.store.renumber(how);
            }
            6 if state.lives < super::LIVES => {
                state.lives = state.lives.saturating_add(1);
                state.restart = true;
                self.world.stop();
            }
            _ => {}
        }
    }

    /// Whether the mailbox is not the one any more that was opened: of this one nothing is left.
    pub(super) fn is_stale(&self, state: &State) -> bool {
        self.uid_validity != state.store.uid_validity
    }

    /// EXPUNGE and EXISTS.
    fn tell_changes(&mut self, state: &mut State) {
        if self.is_stale(state) || state.script.choose(8) == 1 {
            return;
        }
        let gone = |uid: u32| state.store.mails.iter().all(|mail| mail.uid != uid);
        while let Some(at) = self.view.iter().rposition(|uid| gone(*uid)) {
            self.view.remove(at);
            self.say(&format!("* {} EXPUNGE", at.saturating_add(1)));
        }
        let last = self.view.last().copied().unwrap_or_default();
        let new = state.store.mails.iter().map(|mail| mail.uid).filter(|uid| *uid > last);
        let before = self.view.len();
        self.view.extend(new);
        if self.view.len() > before {
            self.say(&format!("* {} EXISTS", self.view.len()));
        }
    }

    fn examine(&mut self, state: &mut State, tag: &str) {
        self.uid_validity = state.store.uid_validity;
        self.view = state.store.mails.iter().map(|mail| mail.uid).collect();
        let (uid_next, exists) = (state.store.uid_next, self.view.len());
        match state.script.choose(32) {
            1 => {}
            2 => self.say("* 0 EXISTS"),
            3 => self.say(&format!("* {} EXISTS", exists.saturating_add(3))),
            _ => self.say(&format!("* {exists} EXISTS")),
        }
        let untold = state.script.choose(32) == 1;
        if !untold {
            self.say(&format!("* OK [UIDVALIDITY {}] so it is", self.uid_validity));
        }
        self.told.clear();
        if untold || self.garbled {
            self.told.insert(0);
        }
        if !untold {
            self.told.insert(self.uid_validity);
        }
        state.store.tells_uid_next();
        match state.script.choose(32) {
            1 => {}
            2 => self.say("* OK [UIDNEXT 0] none"),
            3 => self.say(&format!("* OK [UIDNEXT {}] more", uid_next.saturating_add(5))),
            4 => {
                state.store.uids_changed();
                self.say(&format!("* OK [UIDNEXT {}] less", uid_next.saturating_sub(2)));
            }
            5 => self.say(&format!("* OK [UIDNEXT {uid_next}]")),
            _ => self.say(&format!("* OK [UIDNEXT {uid_next}] next")),
        }
        self.opened(state);
        match state.script.choose(32) {
            1 => self.say(&format!("{tag} NO [NONEXISTENT] gone")),
            _ => {
                self.end(state, tag);
            }
        }
    }

    fn status(&mut self, state: &mut State) {
        let (uid_next, uid_validity) = (state.store.uid_next, state.store.uid_validity);
        match state.script.choose(8) {
            1 => return,
            2 => self.say(&format!("* STATUS INBOX (UIDVALIDITY {uid_validity})")),
            3 => self.say(&format!(
                "* STATUS {{5}}\r\nINBOX (UIDNEXT {uid_next} UIDVALIDITY {uid_validity})"
            )),
            _ => self.say(&format!(
                "* STATUS INBOX (UIDNEXT {uid_next} UIDVALIDITY {uid_validity})"
            )),
        }
        // It may not be read, or be the second one, of which only UIDNEXT is wanted.
        if self.told.contains(&0) {
            self.told.insert(uid_validity);
            self.opened(state);
        }
    }

    fn opened(&self, state: &mut State) {
        let known = state.remembered.as_ref().map(|memory| memory.position.uid_validity);
        for told in &self.told {
            state.store.opened(*told, known);
        }
    }

    fn idle(&mut self, state: &mut State, tag: &str) {
        match state.script.choose(16) {
            1 => return self.say(&format!("{tag} NO not now")),
            2 => return self.say(&format!("{tag} BAD what?")),
            3 => return self.say(&format!("{tag} OK done already")),
            4 => self.say("+"),
            5 => self.send(b"+idling\n"),
            _ => self.say("+ idling"),
        }
        self.tell_changes(state);
        self.waits_for = Awaited::Done(tag.to_owned());
        self.rest(state, REST_IN_IDLE);
    }

    /// What comes in IDLE.
    fn news(&mut self, state: &mut State, tag: &str) {
        self.noise(state);
        self.happen(state);
        match state.script.choose(16) {
            1..=3 => self.tell_changes(state),
            4 => self.say("* OK Still here"),
            5 => self.say(&format!("* {} EXISTS", self.view.len())),
            6 => {
                self.say(&format!("{tag} OK enough"));
                self.waits_for = Awaited::Command;
            }
            _ => {}
        }
    }

    /// There is nothing to do; where no choice is left, there will never be.
    fn rest(&mut self, state: &mut State, rest: usize) {
        if state.script.is_over() {
            state.quiet = state.quiet.saturating_add(rest);
            if state.quiet >= RESTS {
                self.world.stop();
            }
        }
    }
}

/// A set of UIDs as ranges.
fn uids(set: &str) -> Vec<RangeInclusive<u32>> {
    let number = |text: &str| text.parse::<u32>().unwrap_or_default();
    let ranges = set.split(',').map(|range| match range.split_once(':') {
        Some((first, last)) => number(first)..=number(last),
        None => number(range)..=number(range),
    });
    ranges.collect()
}

impl Stream for Conversation {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        let world = self.world.clone();
        let failed = |kind| {
            Err(NetError {
                peer: "h:143".to_owned(),
                phase: deadline.phase,
                kind,
            })
        };
        loop {
            if world.time.stopping() {
                return failed(NetErrorKind::Stopped);
            }
            let rest = self.output.get(self.sent..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.len().min(buffer.len()).min(self.piece);
                for (place, byte) in buffer.iter_mut().zip(rest).take(count) {
                    *place = *byte;
                }
                self.sent = self.sent.saturating_add(count);
                return Ok(count);
            }
            self.output.clear();
            self.sent = 0;
            if self.voice == Voice::Closes {
                return Ok(0);
            }
            if let Awaited::Done(tag) = &self.waits_for {
                let tag = tag.clone();
                self.news(&mut world.lock(), &tag);
                if !self.output.is_empty() || self.voice == Voice::Closes {
                    continue;
                }
            }
            world
                .time
                .pass(deadline.remaining(world.time.now()).unwrap_or_default());
            return failed(NetErrorKind::TimedOut(deadline.after));
        }
    }

    fn read_ready(&mut self, _buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        Ok((!self.is_all_read()).then_some(1))
    }

    fn start_tls(&mut self, _deadline: Deadline) -> Result<(), NetError> {
        self.tls_begins();
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        match &mut self.compressed {
            Some(compressed) => compressed.inflate(bytes, &mut self.input),
            None => self.input.extend_from_slice(bytes),
        }
        let world = self.world.clone();
        while let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
            let line: Vec<u8> = self.input.drain(..end.saturating_add(2)).collect();
            let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            self.command(&mut world.lock(), &line);
        }
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "h:143"
    }
}
