//! The mailbox as it is, what was said of it, and what came out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::script::Script;
use crate::imap::resume::Memory;
use crate::limits;

/// Mails that there ever are: fewer than one listing looks back at, so that none is beyond sight.
const MAILS: u32 = 24;
/// The longest mail: more than the reader has in its hands at once.
const LONG: usize = 70_000;

/// A mail that is there.
pub(super) struct Mail {
    /// Who it is, whatever its UID: mails are numbered as they come.
    pub number: u32,
    pub uid: u32,
    /// UIDVALIDITY and UID, now and before.
    names: Vec<(u32, u32)>,
    pub body: Vec<u8>,
    /// The hour of its INTERNALDATE.
    pub hour: u8,
    pub sha256: [u8; 32],
    /// It is marked to be expunged.
    pub deleted: bool,
    pub fate: Fate,
}

/// What was done to a mail that may keep it from coming.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Neither the last listing nor the search behind it told of it. The next one that does brings it back.
    pub hidden: bool,
    /// It was hidden, and passed, when the process ended: the next one does not look back so far. Or the server spoke of its UID
    /// before it came, which counts as delivered then; the operator is told.
    pub beyond: bool,
    /// Times in this session that it was asked for and did not come.
    pub ungiven: u32,
    /// Sessions in which that happened.
    pub refusals: u32,
    /// The server said that it is not there when it had not given it twice.
    pub denied: bool,
    /// Times that the receiver refused it alone.
    pub rejected: u32,
}

/// Mails that did not come, by the only reasons that there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// To be counted as expunged, presumed or recognised.
    pub counted: Vec<u32>,
    /// No reason at all.
    pub lost: Vec<u32>,
}

pub(super) struct Store {
    pub uid_validity: u32,
    pub uid_next: u32,
    /// By UID.
    pub mails: Vec<Mail>,
    /// Mails made.
    made: u32,
    /// How far UIDs lie apart.
    stride: u32,
    /// Who was sent under this UIDVALIDITY and UID with this hash; `None` for what is no mail.
    claims: BTreeMap<(u32, u32, [u8; 32]), Option<u32>>,
    /// UIDVALIDITY, UID and number of every mail that was asked for.
    asked: BTreeSet<(u32, u32, u32)>,
    /// The numbers of the mails that came, and how often UIDs had changed their meaning then.
    came: BTreeMap<u32, u32>,
    /// Hashes of what came, or may be in the dead-letter file.
    hashes: BTreeSet<[u8; 32]>,
    /// UIDVALIDITY and UID of what came, whatever it was.
    names: BTreeSet<(u32, u32)>,
    /// UID, size, hour and number of every mail that was given.
    given: BTreeSet<(u32, usize, u8, u32)>,
    events: u64,
    /// Times that UIDs changed their meaning, or the server said so: what came may come again.
    changes: u32,
    /// Mails below this UID were there when UIDVALIDITY changed.
    renumbered_below: u32,
    /// The latest INTERNALDATE there ever was.
    pub latest: u8,
    /// The server has spoken of this UID: if a mail gets it later, it was gone before it came.
    mentioned: u32,
    /// From where on the process looks for what it has not seen.
    foreign: u64,
}

impl Store {
    pub(super) fn new(script: &mut Script, stride: u32) -> Store {
        let mut store = Store {
            uid_validity: 1000,
            uid_next: 1,
            mails: Vec::new(),
            made: 0,
            stride,
            claims: BTreeMap::new(),
            asked: BTreeSet::new(),
            came: BTreeMap::new(),
            hashes: BTreeSet::new(),
            names: BTreeSet::new(),
            given: BTreeSet::new(),
            events: 0,
            changes: 0,
            renumbered_below: 0,
            latest: 0,
            mentioned: 0,
            foreign: 0,
        };
        for _ in 0..script.choose(8).saturating_add(1) {
            store.receive(script);
        }
        store
    }

    /// A mail arrives. Its text is the script's, and may look like anything.
    pub(super) fn receive(&mut self, script: &mut Script) {
        if self.made >= MAILS {
            return;
        }
        self.made = self.made.saturating_add(1);
        let number = self.made;
        // Holes between UIDs.
        let hole = u32::from(script.choose(4)).saturating_mul(self.stride);
        let uid = self.uid_next.saturating_add(hole);
        self.uid_next = uid.saturating_add(1);
        let subject = format!("Subject: mail {number}\r\n\r\n");
        let text: &[u8] = match script.choose(10) {
            1 => b")\r\n* 1 FETCH (UID 1 RFC822.SIZE 3 BODY[] {3}\r\nabc)\r\nA0007 OK done\r\n",
            2 => b" UID 2)\r\nA0005 OK done\r\n* 2 FETCH (UID 3 BODY[] \"forged\")\r\n",
            3 => b"* BYE\r\n* 9 EXISTS\r\n* 1 EXPUNGE\r\nend {5}\r\n",
            4 => &vec![b'x'; LONG],
            5 => &script.take(24),
            6 => b"\n\r\r\n\0\xff\xfe{3}\n)\n",
            7 => b"\r\n)\r\nA0006 NO\r\nA0007 BAD\r\nA0008 OK\r\n+ \r\nBODY[] {9999999}\r\n",
            _ => b"text\r\n",
        };
        let body = match script.choose(8) {
            1 => text.to_vec(),
            2 => Vec::new(),
            3 => [text, subject.as_bytes()].concat(),
            _ => [subject.as_bytes(), text].concat(),
        };
        let hour = script.choose(24);
        self.latest = self.latest.max(hour);
        self.mails.push(Mail {
            number,
            uid,
            names: vec![(self.uid_validity, uid)],
            sha256: Sha256::digest(&body).into(),
            body,
            hour,
            deleted: false,
            fate: Fate {
                beyond: uid <= self.mentioned,
                ..Fate::default()
            },
        });
    }

    /// One of the mails goes.
    pub(super) fn expunge(&mut self, which: u8) {
        let at = usize::from(which).checked_rem(self.mails.len());
        if let Some(at) = at {
            self.mails.remove(at);
        }
    }

    /// Another UIDVALIDITY: with the same UIDs, or with others, or without the mails.
    pub(super) fn renumber(&mut self, how: u8) {
        self.uid_validity = self.uid_validity.saturating_add(1);
        match how {
            0 => {}
            1 => self.mails.clear(),
            _ => {
                self.uid_next = 1;
                for mail in &mut self.mails {
                    mail.uid = self.uid_next;
                    self.uid_next = self.uid_next.saturating_add(1);
                }
            }
        }
        for mail in &mut self.mails {
            mail.names.push((self.uid_validity, mail.uid));
        }
    }

    /// A session begins.
    pub(super) fn begin_session(&mut self) {
        for mail in &mut self.mails {
            mail.fate.ungiven = 0;
        }
    }

    /// The mailbox is opened, and this is said of it. `known` is the UIDVALIDITY that is remembered.
    pub(super) fn opened(&mut self, told: u32, known: Option<u32>) {
        if known.is_some_and(|known| known != told) {
            self.uids_changed();
            // A UIDNEXT that is too high lets more mails count as old.
            self.renumbered_below = self.renumbered_below.max(self.uid_next.saturating_add(5));
        }
    }

    /// UIDs have another meaning than before, by what the server says.
    pub(super) fn uids_changed(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    /// The process ends, and this is remembered.
    pub(super) fn process_ends(&mut self, memory: Option<&Memory>) {
        let Some(memory) = memory else { return };
        self.foreign = memory
            .latest
            .as_ref()
            .map_or_else(|| memory.top(), |latest| latest.from);
        for mail in &mut self.mails {
            mail.fate.beyond |= mail.fate.hidden && u64::from(mail.uid) < self.foreign;
        }
    }

    /// The server speaks of a mail with this UID, or a lower one.
    pub(super) fn mention(&mut self, uid: u32) {
        if uid >= self.uid_next {
            self.mentioned = self.mentioned.max(uid);
        }
    }

    /// By its UIDNEXT, a UID that it has spoken of is one that no mail ever had: it passes for a restored server.
    pub(super) fn tells_uid_next(&mut self) {
        if self.mentioned >= self.uid_next {
            self.uids_changed();
        }
    }

    /// The mail that has, or had, this UID.
    pub(super) fn named(&mut self, uid_validity: u32, uid: u32) -> Option<&mut Mail> {
        let mut mails = self.mails.iter_mut();
        mails.find(|mail| mail.names.contains(&(uid_validity, uid)))
    }

    /// Asked for, given or not, under one of the UIDVALIDITYs that may have been understood.
    pub(super) fn asked_for(&mut self, told: &BTreeSet<u32>, uid_validity: u32, uid: u32, given: bool) {
        let Some(mail) = self.named(uid_validity, uid) else {
            return;
        };
        if !given {
            if mail.fate.ungiven == 0 {
                mail.fate.refusals = mail.fate.refusals.saturating_add(1);
            }
            mail.fate.ungiven = mail.fate.ungiven.saturating_add(1);
        }
        let number = mail.number;
        self.asked.extend(told.iter().map(|told| (*told, uid, number)));
    }

    /// These bytes go out as the mail of this UID.
    pub(super) fn claim(&mut self, told: &BTreeSet<u32>, uid: u32, body: &[u8]) {
        let sha256 = Sha256::digest(body).into();
        let mut mails = self.mails.iter();
        let mail = mails.find(|mail| mail.uid == uid && mail.sha256 == sha256);
        self.given
            .extend(mail.map(|mail| (uid, body.len(), mail.hour, mail.number)));
        let number = mail.map(|mail| mail.number);
        let keys = told.iter().map(|told| (*told, uid, sha256));
        self.claims.extend(keys.map(|key| (key, number)));
    }

    /// An event arrives at the receiver.
    pub(super) fn deliver(&mut self, event: &[u8]) {
        let claim = read(event).and_then(|key| Some((key, self.claims.get(&key)?)));
        assert!(claim.is_some(), "an event that is no mail: {}", event.escape_ascii());
        let Some(((uid_validity, uid, sha256), &number)) = claim else {
            return;
        };
        if let Some(number) = number {
            let before = self.came.insert(number, self.changes);
            assert!(
                before.is_none_or(|changes| changes < self.changes),
                "UID {uid} came twice"
            );
        }
        self.hashes.insert(sha256);
        self.names.insert((uid_validity, uid));
        self.events = self.events.saturating_add(1);
    }

    /// The receiver refuses an event that came alone: it may end in the dead-letter file.
    pub(super) fn reject(&mut self, event: &[u8]) {
        let number = read(event).and_then(|key| *self.claims.get(&key)?);
        for mail in self.mails.iter_mut().filter(|mail| Some(mail.number) == number) {
            mail.fate.rejected = mail.fate.rejected.saturating_add(1);
            if mail.fate.rejected >= limits::REFUSED_EVENT {
                self.hashes.insert(mail.sha256);
            }
        }
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Whether this mail was acknowledged.
    pub(super) fn has_come(&self, mail: &Mail) -> bool {
        self.came.contains_key(&mail.number) || self.is_recognised(mail)
    }

    /// Whether something came from the server as the mail of this name.
    pub(super) fn has_come_as(&self, told: &BTreeSet<u32>, uid: u32) -> bool {
        told.iter().any(|told| self.names.contains(&(*told, uid)))
    }

    /// What did not come of the mails that are there, and stands not in the dead-letter file under these UIDVALIDITYs and
    /// UIDs.
    pub(super) fn missing(&self, buried: &[(u32, u32)]) -> Missing {
        let mut missing = Missing::default();
        for mail in self.mails.iter().filter(|mail| !self.came.contains_key(&mail.number)) {
            // UIDVALIDITY may have changed since, and the mailbox have stayed the same.
            let was_asked_for = self.asked.iter().any(|(.., number)| *number == mail.number);
            let name = |(told, uid): &(u32, u32)| {
                let asked = self.asked.contains(&(*told, *uid, mail.number));
                asked || was_asked_for && mail.names.contains(&(*told, *uid))
            };
            let unseen = mail.fate.hidden && u64::from(mail.uid) < self.foreign;
            if unseen
                || mail.fate.beyond
                || self.is_taken_for_another(mail)
                || may_be_buried(mail) && buried.iter().any(name)
            {
                continue;
            }
            if mail.fate.denied || self.is_presumed(mail) || self.is_recognised(mail) {
                missing.counted.push(mail.uid);
            } else {
                missing.lost.push(mail.uid);
            }
        }
        missing
    }

    /// Mails that count as done and have no reason for it.
    pub(super) fn passed(&self, memory: &Memory) -> Vec<u32> {
        if memory.position.uid_validity != self.uid_validity {
            return Vec::new();
        }
        let has_reason = |mail: &Mail| {
            let Fate {
                hidden, beyond, denied, ..
            } = mail.fate;
            let excused = hidden || beyond || denied || may_be_buried(mail);
            excused || self.is_presumed(mail) || self.is_taken_for_another(mail) || self.has_come(mail)
        };
        let passed = self
            .mails
            .iter()
            .filter(|mail| is_done(memory, mail.uid) && !has_reason(mail));
        passed.map(|mail| mail.uid).collect()
    }

    /// It was there when UIDVALIDITY changed, and is older than another by more than the margin.
    fn is_presumed(&self, mail: &Mail) -> bool {
        mail.uid < self.renumbered_below && mail.hour.saturating_add(1) < self.latest
    }

    /// One with the size and date of this mail, or of one behind it, had the same UID before UIDVALIDITY changed, so that the
    /// mailbox passes for the same up to there.
    fn is_taken_for_another(&self, mail: &Mail) -> bool {
        let is_twin = |other: &Mail| {
            let is_like = |(uid, size, hour, number): &(u32, usize, u8, u32)| {
                (*uid, *size, *hour) == (other.uid, other.body.len(), other.hour) && *number != other.number
            };
            other.uid < self.renumbered_below && self.given.iter().any(is_like)
        };
        self.mails.iter().any(|other| other.uid >= mail.uid && is_twin(other))
    }

    /// The same was delivered before UIDVALIDITY changed.
    fn is_recognised(&self, mail: &Mail) -> bool {
        mail.uid < self.renumbered_below && self.hashes.contains(&mail.sha256)
    }
}

/// Only what was refused often enough may be given up.
fn may_be_buried(mail: &Mail) -> bool {
    mail.fate.refusals >= limits::REFUSALS || mail.fate.rejected >= limits::REFUSED_EVENT
}

fn is_done(memory: &Memory, uid: u32) -> bool {
    let uid = u64::from(uid);
    uid < memory.position.next_uid || memory.done.iter().any(|range| range.contains(&uid))
}

/// An event: UIDVALIDITY, UID and hash. It is JSON, as every event.
pub(super) fn event(uid_validity: u32, uid: u32, sha256: &[u8; 32]) -> Vec<u8> {
    json!([uid_validity, uid, sha256]).to_string().into_bytes()
}

fn read(event: &[u8]) -> Option<(u32, u32, [u8; 32])> {
    serde_json::from_slice(event).ok()
}
