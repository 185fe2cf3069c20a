//! The mailbox as it is, what was said of it, and what came out.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::script::Script;
use crate::imap::resume::Memory;

/// Mails that there ever are: as many as one listing looks back at, so that none is beyond sight.
const MAILS: u32 = 24;
/// The longest mail: more than the reader has in its hands at once.
const LONG: usize = 70_000;

/// A mail that is there.
pub(super) struct Mail {
    pub uid: u32,
    pub body: Vec<u8>,
    /// The hour of its INTERNALDATE.
    pub hour: u8,
    pub sha256: [u8; 32],
    /// It was not given when it was asked for, or not told of: it may be missing in the end.
    pub withheld: bool,
}

pub(super) struct Store {
    pub uid_validity: u32,
    pub uid_next: u32,
    /// By UID.
    pub mails: Vec<Mail>,
    /// Mails made.
    made: u32,
    /// UIDVALIDITY, UID and hash of every body that was sent.
    claims: BTreeSet<(u32, u32, [u8; 32])>,
    came: BTreeSet<(u32, u32)>,
    hashes: BTreeSet<[u8; 32]>,
    events: u64,
    /// The server said something wrong about the end of the mailbox, or came back to an old UIDVALIDITY: UIDs have lost their
    /// meaning.
    pub confused: bool,
}

impl Store {
    pub(super) fn new(script: &mut Script) -> Store {
        let mut store = Store {
            uid_validity: 1000,
            uid_next: 1,
            mails: Vec::new(),
            made: 0,
            claims: BTreeSet::new(),
            came: BTreeSet::new(),
            hashes: BTreeSet::new(),
            events: 0,
            confused: false,
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
        let uid = self.uid_next.saturating_add(u32::from(script.choose(4)));
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
        self.mails.push(Mail {
            uid,
            sha256: Sha256::digest(&body).into(),
            body,
            hour: script.choose(24),
            withheld: false,
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
    }

    /// The server speaks of a mail with this UID, or a lower one. If it is given later only, it was gone before it came.
    pub(super) fn mention(&mut self, uid: u32) {
        self.confused |= uid >= self.uid_next;
    }

    /// These bytes go out as the mail of this UID.
    pub(super) fn claim(&mut self, uid_validity: u32, uid: u32, body: &[u8]) {
        self.claims.insert((uid_validity, uid, Sha256::digest(body).into()));
    }

    /// An event arrives at the receiver.
    pub(super) fn deliver(&mut self, event: &[u8]) {
        let Some((uid_validity, uid, sha256)) = read(event) else {
            return;
        };
        assert!(
            self.claims.contains(&(uid_validity, uid, sha256)),
            "an event that is no mail: UID {uid}"
        );
        let first = self.came.insert((uid_validity, uid));
        assert!(first || self.confused, "UID {uid} came twice");
        self.hashes.insert(sha256);
        self.events = self.events.saturating_add(1);
    }

    /// The receiver refuses an event: it may end in the dead-letter file.
    pub(super) fn withhold(&mut self, event: &[u8]) {
        let refused = read(event).map(|(_, _, sha256)| sha256);
        for mail in self.mails.iter_mut().filter(|mail| Some(mail.sha256) == refused) {
            mail.withheld = true;
        }
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Mails that are there, were never withheld, and did not come.
    pub(super) fn lost(&self) -> Vec<u32> {
        let lost = self.mails.iter().filter(|mail| !self.confused && self.is_due(mail));
        lost.map(|mail| mail.uid).collect()
    }

    /// The same, as far as they count as done.
    pub(super) fn passed(&self, memory: &Memory) -> Vec<u32> {
        if memory.position.uid_validity != self.uid_validity || self.confused {
            return Vec::new();
        }
        let is_done = |uid: u64| uid < memory.position.next_uid || memory.done.iter().any(|range| range.contains(&uid));
        let passed = self
            .mails
            .iter()
            .filter(|mail| is_done(u64::from(mail.uid)) && self.is_due(mail));
        passed.map(|mail| mail.uid).collect()
    }

    fn is_due(&self, mail: &Mail) -> bool {
        !mail.withheld && !self.hashes.contains(&mail.sha256)
    }
}

/// UIDVALIDITY, UID and hash.
fn read(event: &[u8]) -> Option<(u32, u32, [u8; 32])> {
    let (uid_validity, rest) = event.split_first_chunk()?;
    let (uid, sha256) = rest.split_first_chunk()?;
    Some((
        u32::from_be_bytes(*uid_validity),
        u32::from_be_bytes(*uid),
        sha256.try_into().ok()?,
    ))
}
