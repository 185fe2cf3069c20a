//! Mails from the server into the batch, and what becomes of those that do not come.

use std::collections::{BTreeMap, BTreeSet};

use super::Life;
use super::failure::Failure;
use super::poison::Reading;
use crate::event::EventId;
use crate::event::raw::Collected;
use crate::imap::resume::Known;
use crate::imap::session::{Arrival, Fetched, Listed, Session};
use crate::limits;
use crate::log::Level;
use crate::metrics::Counter;

/// Whether fetching waits for new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// New mail: nothing comes between.
    Live,
    /// A backlog: interrupted where new mail has come.
    Old,
}

impl Life {
    /// Fetches and delivers `listed`, but for what the server refuses. A mail at which the program ended comes alone: after
    /// the others, which it must not hold up, unless there are so many of them that one more would be forgotten. The likeliest
    /// to end it again comes last.
    pub(super) fn transfer(
        &mut self,
        session: &mut Session,
        listed: &[Listed],
        urgency: Urgency,
    ) -> Result<(), Failure> {
        let (mut suspects, others): (Vec<Listed>, Vec<Listed>) =
            listed.iter().partition(|listed| self.ends_at(listed.uid) > 0);
        suspects.sort_unstable_by_key(|suspect| (self.ends_at(suspect.uid), suspect.uid));
        let first = self.mailbox.attempts.are_full();
        if !first {
            self.transfer_together(session, &others, urgency)?;
        }
        for suspect in suspects {
            self.transfer_together(session, &[suspect], urgency)?;
        }
        if first {
            self.transfer_together(session, &others, urgency)?;
        }
        Ok(())
    }

    fn transfer_together(&mut self, session: &mut Session, listed: &[Listed], urgency: Urgency) -> Result<(), Failure> {
        let mut left = self.fetch(session, listed, urgency)?;
        self.act(session)?;
        while !left.is_empty() {
            if self.is_time_to_make_way(self.mailbox.clock.now()) {
                self.move_on()?;
                return Err(Failure::OthersWait);
            }
            if self.frontier.backlog_end().is_some() && session.has_new_mail()? {
                self.look_ahead(session)?;
            }
            self.looked = Some(self.mailbox.clock.now());
            left = self.fetch(session, &left, urgency)?;
            self.act(session)?;
        }
        self.move_on()
    }

    /// Fetches mails and delivers them in batches; gives back what was not asked for because it is time to look for new
    /// mail, or for what is due after delivery.
    fn fetch(&mut self, session: &mut Session, listed: &[Listed], urgency: Urgency) -> Result<Vec<Listed>, Failure> {
        let mut in_a_row: usize = 0;
        self.underway = listed.iter().map(|listed| listed.uid).collect();
        let mut fetch = session.fetch(listed, self.pace);
        while let Some(arrival) = fetch.next()? {
            self.answered();
            match arrival {
                Arrival::Message(mut body) => {
                    let length = body.length();
                    let uid = body.likely_uid();
                    let mut reading = self.begin_reading(uid, length);
                    while let Some(chunk) = body.chunk()? {
                        reading.feed(chunk, &self.mailbox.event);
                        if body.left() == 0 {
                            continue; // A small one is whole at once, and what is due is looked for behind it.
                        }
                        self.answered();
                        if self.is_due(self.mailbox.clock.now()) {
                            // Small mails do not wait for a large one that comes slowly.
                            self.hand_over()?;
                            if let Some(uid) = uid {
                                self.take_in_hand(uid);
                            }
                        }
                    }
                    let Some(fetched) = body.finish()? else { continue };
                    in_a_row = 0;
                    self.count(Counter::FetchedMails);
                    self.mailbox.counters.add(Counter::FetchedBytes, length);
                    self.came = true;
                    if length <= limits::IMAP_BATCH_BYTES {
                        self.witness = Some(Listed {
                            uid: fetched.uid,
                            size: length,
                        });
                    }
                    if matches!(reading, Reading::Stub(_)) {
                        self.due.leave(fetched.uid);
                    }
                    let arrival = self.arrival(fetched.uid, fetched.internal_date_ms);
                    match reading.finish(&self.mailbox.event, arrival) {
                        Some(mail) => self.add(mail, fetched)?,
                        None => self.give_up_reading(fetched.uid, fetched.internal_date_ms)?,
                    }
                    self.mailbox.attempts.succeeded();
                }
                Arrival::Missing(uid) => {
                    self.count(Counter::Expunged);
                    self.gap(Level::Warn, "the mail was expunged before it was fetched", uid, "");
                    self.done(uid);
                }
                Arrival::Refused { uid, text } => {
                    let refusals = self.refusals.entry(uid).or_default();
                    *refusals = refusals.saturating_add(1);
                    self.refused.insert(uid, text.clone());
                    in_a_row = in_a_row.saturating_add(1);
                    if in_a_row >= limits::REFUSED_IN_A_ROW && !self.came {
                        let mails = self.frontier.left();
                        return Err(Failure::Refused { mails, uid, text });
                    }
                }
            }
            let mut now = self.mailbox.clock.now();
            if self.is_due(now) {
                self.hand_over()?;
                now = self.mailbox.clock.now();
            }
            if urgency == Urgency::Old && self.is_time_to_look(fetch.has_news(), now)
                || self.due.is_pressing(now)
                || self.is_time_to_make_way(now)
            {
                fetch.hold();
            }
        }
        let (pace, left) = fetch.end();
        self.pace = pace;
        self.underway.clear();
        self.deliver()?;
        Ok(left)
    }

    /// The mail is whole: its event joins the batch, unless it was delivered before UIDs changed their meaning.
    fn add(&mut self, mut mail: Collected, fetched: Fetched) -> Result<(), Failure> {
        let known = Known {
            uid: fetched.uid,
            size: self.frontier.size(fetched.uid),
            internal_date_ms: fetched.internal_date_ms,
            sha256: Some(mail.event.routing.sha256),
        };
        let rescan = self.rescan.as_mut();
        if rescan.is_some_and(|rescan| rescan.recognise(fetched.uid, &mail.event.routing.sha256)) {
            self.count(Counter::Recognised);
            self.recent.push(known);
            self.done(fetched.uid);
            return Ok(());
        }
        self.store_attachments(&mut mail, fetched.uid)?;
        self.make_room(mail.raw.as_ref().map_or(0, Vec::len))?;
        let routing = &mail.event.routing;
        let id = EventId::of(&[routing.event_id.0.as_slice(), &routing.sha256].concat());
        self.join(known, id, |life, output| life.mailbox.sink.encode(&mail, output));
        Ok(())
    }

    /// Mails at which sessions end again and again, or that were refused: asked for last, so that they hold up no other.
    pub(super) fn doubtful(&self) -> BTreeSet<u32> {
        let stumbling = self.stumbles.iter().filter(|(_, times)| **times >= limits::STUMBLES);
        stumbling.chain(&self.refusals).map(|(uid, _)| *uid).collect()
    }

    /// Mails that the server would not give in this session are asked for in later ones, then passed over, loudly; but
    /// only what it refuses behind a mail that came, or an hour without its storage would cost all the mail of that hour.
    pub(super) fn pass_over(&mut self, session: &mut Session) -> Result<(), Failure> {
        let refused = std::mem::take(&mut self.refused);
        let (due, mut refused): (BTreeMap<u32, String>, BTreeMap<u32, String>) =
            refused.into_iter().partition(|(uid, _)| {
                let times = self.refusals.get(uid);
                times.is_some_and(|times| *times >= limits::REFUSALS)
            });
        if due.is_empty() || !self.gives_mails(session)? {
            refused.extend(due);
        } else {
            // It may have come back behind their refusals: each is asked for once more.
            for uid in due.keys() {
                let size = self.frontier.size(*uid).unwrap_or(0);
                self.transfer(session, &[Listed { uid: *uid, size }], Urgency::Live)?;
            }
            for (uid, text) in std::mem::take(&mut self.refused) {
                if !due.contains_key(&uid) {
                    refused.insert(uid, text);
                    continue;
                }
                let reason = "the server refuses this mail; it is passed over";
                self.count(Counter::Refused);
                self.gap(Level::Error, reason, uid, &text);
                self.bury(uid, None, &format!("the IMAP server refuses this mail: {text}"), None)?;
                self.done(uid);
            }
            self.move_on()?;
        }
        let mails = refused.len();
        match refused.pop_first() {
            Some((uid, text)) => Err(Failure::Refused { mails, uid, text }),
            None => Ok(()),
        }
    }

    /// However often it was asked for, alone at last, the session ended; others come.
    pub(super) fn give_up_stumbling(&mut self, uid: u32) -> Result<(), Failure> {
        let reason = "every session ends at this mail; it is passed over";
        self.count(Counter::Refused);
        self.gap(Level::Error, reason, uid, "");
        self.bury(uid, None, &"every session with the IMAP server ends at this mail", None)?;
        self.done(uid);
        self.move_on()
    }

    /// Whether a mail came in this session, if only one that is known: of this process, or of the one before.
    pub(super) fn gives_mails(&mut self, session: &mut Session) -> Result<bool, Failure> {
        if self.came {
            return Ok(true);
        }
        // One that is open came and could not be kept: it is in doubt itself.
        let witness = self
            .witness
            .take()
            .filter(|witness| !self.frontier.is_open(witness.uid));
        if let Some(witness) = witness.or_else(|| self.last_delivered()) {
            let mut fetch = session.fetch(&[witness], self.pace);
            while let Some(arrival) = fetch.next()? {
                if let Arrival::Message(body) = arrival
                    && body.finish()?.is_some()
                {
                    self.came = true;
                    self.witness = Some(witness);
                }
            }
        }
        Ok(self.came)
    }

    /// The mail delivered last, if it is small.
    fn last_delivered(&self) -> Option<Listed> {
        let known = self.recent.mails().last()?;
        let size = known.size.filter(|size| *size <= limits::IMAP_BATCH_BYTES)?;
        Some(Listed { uid: known.uid, size })
    }

    /// Nothing more is to be done for `uid`.
    pub(super) fn done(&mut self, uid: u32) {
        self.frontier.done(uid);
        self.stumbles.remove(&uid);
        self.refusals.remove(&uid);
    }

    /// One of the three ends of a mail: it is not delivered, and its bytes are in the mailbox, if anywhere.
    pub(super) fn gap(&self, level: Level, reason: &str, uid: u32, server_said: &str) {
        self.log(
            level,
            "gap",
            &[("reason", &reason), ("uid", &uid), ("server_said", &server_said)],
        );
    }
}
