//! What the server says about mails. Whatever it sends as a mail's body is told to the model first.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::State;
use super::server::Conversation;

/// A size that is no mail's.
const HUGE: u64 = 4_000_000_000;

impl Conversation {
    /// Sequence numbers and UIDs of mails that this session sees.
    fn seen(&self, uids: &[RangeInclusive<u32>]) -> Vec<(usize, u32)> {
        let numbered = (1..).zip(self.view.iter().copied());
        numbered
            .filter(|(_, uid)| uids.iter().any(|range| range.contains(uid)))
            .collect()
    }

    /// UID FETCH with bodies.
    pub(super) fn fetch(&mut self, state: &mut State, tag: &str, uids: &[RangeInclusive<u32>]) {
        let mut given = Vec::new();
        let mut asked = self.seen(uids);
        if self.is_stale(state) {
            asked.clear();
        }
        if state.script.choose(8) == 1 {
            asked.reverse();
        }
        for (number, uid) in asked {
            if self.body(state, number, uid) && self.speaks() {
                given.push(uid);
            }
            self.noise_between(state);
        }
        for uid in uids.iter().cloned().flatten() {
            let given = given.contains(&uid) && !self.garbled;
            state.store.asked_for(&self.told, self.uid_validity, uid, given);
        }
        self.end(state, tag);
    }

    fn noise_between(&mut self, state: &mut State) {
        match state.script.choose(64) {
            1 => {
                let uid = self.view.first().copied().unwrap_or(1);
                self.unasked(state, uid);
            }
            2 => self.say("* 1 FETCH (UID 1 FLAGS ())"),
            3 => self.say("* 1 EXPUNGE"),
            4 => self.close(),
            _ => {}
        }
    }

    /// A body that may not have been asked for.
    pub(super) fn unasked(&mut self, state: &mut State, uid: u32) {
        let mail = state.store.mails.iter().find(|mail| mail.uid == uid);
        let body = match mail {
            Some(mail) if !self.is_stale(state) => mail.body.clone(),
            _ => b"nobody's".to_vec(),
        };
        state.store.claim(&self.told, uid, &body);
        self.say(&format!("* 1 FETCH (UID {uid} BODY[] {{{}}}", body.len()));
        self.send(&body);
        self.say(")");
    }

    /// One mail, well or badly. Says whether it was given in full.
    fn body(&mut self, state: &mut State, number: usize, uid: u32) -> bool {
        let Some(mail) = state.store.mails.iter().find(|mail| mail.uid == uid) else {
            if state.script.choose(2) == 1 {
                self.say(&format!("* {number} FETCH (UID {uid} BODY[] NIL)"));
            }
            return true;
        };
        let (body, size) = (mail.body.clone(), mail.body.len());
        let date = format!("INTERNALDATE \"{}\"", date(mail.hour));
        let head = format!("* {number} FETCH (UID {uid} {date} BODY[] {{{size}}}\r\n");
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&body);
        whole.extend_from_slice(b")\r\n");
        state.store.claim(&self.told, uid, &body);
        match state.script.choose(64) {
            1 => {
                self.say(&format!("* {number} FETCH (BODY[] {{{size}}}"));
                self.send(&body);
                self.say(&format!(" {date} UID {uid})"));
            }
            2 => {
                self.say(&format!("* {number} FETCH (BODY[] {{{size}}}"));
                self.send(&body);
                self.say(")");
                return false;
            }
            3 => {
                self.say(&format!("* {number} FETCH (UID {uid} BODY[] NIL)"));
                return false;
            }
            4 => return false,
            5 => {
                self.too_short(uid, &body);
                return false;
            }
            6 => {
                let more = usize::from(state.script.choose(3)).saturating_add(1);
                self.announced(uid, size.saturating_add(more) as u64, &body);
                return false;
            }
            7 => {
                self.announced(uid, HUGE, &body);
                return false;
            }
            8 => {
                self.send(&whole);
                self.send(&whole);
            }
            9 => {
                let cut = whole.len() / 2;
                self.send(whole.get(..cut).unwrap_or_default());
                self.close();
                return false;
            }
            10 => {
                self.say(&format!(
                    "* {number} FETCH ((FLAGS () UID {uid} X \"a)\" BODY[] {{0{size}}}"
                ));
                self.send(&body);
                self.say(" ))");
            }
            11 => {
                self.say(&format!(
                    "* 0 FETCH (uid {uid} RFC822.SIZE 9.3736e+06 body[] {{{size}}}"
                ));
                self.send(&body);
                self.say(" MODSEQ (-1) )");
            }
            12 => {
                self.say(&format!("* {number} FETCH (UID {uid} BODY[] {{{size}}}"));
                self.send(&body);
                self.say(" UID 4294967295)");
                return false;
            }
            13 if body
                .iter()
                .all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte)) =>
            {
                self.send(format!("* {number} FETCH (UID {uid} BODY[] \"").as_bytes());
                self.send(&body);
                self.say("\")");
            }
            14 => {
                self.say(&format!(
                    "* {number} FETCH (UID {uid} ENVELOPE {{3}}\r\na)) X {{2}}\r\n\r\n BODY[] {{{size}}}"
                ));
                self.send(&body);
                self.say(" Y {3}\r\n)\r\n)");
            }
            _ => self.send(&whole),
        }
        true
    }

    /// So many bytes announced, and others come: that is no mail given.
    fn announced(&mut self, uid: u32, length: u64, body: &[u8]) {
        self.say(&format!("* 1 FETCH (UID {uid} BODY[] {{{length}}}"));
        self.send(body);
        self.say(")");
    }

    /// Fewer bytes announced than come, so that what is left cannot be read on with.
    fn too_short(&mut self, uid: u32, body: &[u8]) {
        let place = body
            .iter()
            .rposition(|byte| !byte.is_ascii_alphabetic() && !b" \t()".contains(byte));
        if let Some(length) = place {
            self.announced(uid, length as u64, body);
        }
    }

    /// UID FETCH without bodies.
    pub(super) fn list(&mut self, state: &mut State, uids: &[RangeInclusive<u32>]) {
        let mut asked = self.seen(uids);
        if self.is_stale(state) {
            asked.clear();
        }
        if state.script.choose(8) == 1 {
            asked.reverse();
        }
        for (number, uid) in asked {
            let Some(mail) = state.store.mails.iter().find(|mail| mail.uid == uid) else {
                continue;
            };
            let (size, date) = (mail.body.len(), date(mail.hour));
            match state.script.choose(48) {
                1 => continue,
                2 => self.say(&format!("* {number} FETCH (UID {uid} RFC822.SIZE {HUGE})")),
                3 => self.say(&format!("* {number} FETCH (UID {uid})")),
                4 => {
                    let other = u32::from(state.script.choose(64));
                    state.store.mention(other);
                    self.look.unclear = true;
                    self.say(&format!("* {number} FETCH (RFC822.SIZE 0 UID {other})"));
                    self.say(&format!("* {number} FETCH (RFC822.SIZE {size} UID {uid})"));
                }
                5 => {
                    self.look.unreadable = true;
                    self.say(&format!("* {number} FETCH (UID {uid} RFC822.SIZE"));
                    continue;
                }
                6 => {
                    self.say(&format!(
                        "* {number} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE \"{date}\")"
                    ));
                    self.unasked(state, uid);
                }
                7 => self.say(&format!(
                    "* {number} FETCH (UID {uid} INTERNALDATE \"yesterday\" RFC822.SIZE {size})"
                )),
                _ => self.say(&format!(
                    "* {number} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE \"{date}\")"
                )),
            }
            self.look.told.insert(uid, number);
        }
    }

    pub(super) fn search(&mut self, state: &mut State, uids: &[RangeInclusive<u32>]) -> BTreeSet<u32> {
        let mut found = self.seen(uids);
        if self.is_stale(state) {
            found.clear();
        }
        let mut line = vec!["* SEARCH".to_owned()];
        let mut told = BTreeSet::new();
        let mut readable = true;
        found.reverse();
        for (_, uid) in found {
            match state.script.choose(16) {
                1 => continue,
                2 => {
                    // What stands behind it may not be read.
                    readable = false;
                    line.push("0 x".to_owned());
                    continue;
                }
                _ => line.push(uid.to_string()),
            }
            if readable {
                told.insert(uid);
            }
        }
        self.say(&line.join(" "));
        told
    }
}

fn date(hour: u8) -> String {
    format!("01-Jan-2026 {hour:02}:00:00 +0000")
}
