//! A mailbox was opened: where to go on in it, and whether it is the one that we know.

use super::Life;
use super::failure::Failure;
use super::frontier::Frontier;
use crate::imap::resume::{Memory, Position, Recent, Resume, resume};
use crate::imap::session::{Selected, Session};
use crate::limits;
use crate::log::Level;
use crate::metrics::Counter;

impl Life {
    /// Finds where to go on in the mailbox that was just opened.
    pub(super) fn begin(
        &mut self,
        session: &mut Session,
        selected: Selected,
        uid_next: Option<u32>,
    ) -> Result<(), Failure> {
        // What this process knows is more than the file does.
        let (mut before, mut given) = (None, 0);
        let mut from_zero = self.mailbox.from_zero;
        if self.remembered.is_some() {
            (before, given) = (Some(self.memory()), self.frontier.given());
        } else {
            match self.mailbox.checkpoint.load()? {
                None => {}
                Some(memory) if memory == Memory::of_none() => from_zero = true,
                Some(memory) => {
                    given = memory.top();
                    self.frontier = Frontier::of(&memory);
                    self.recent = memory.recent.clone();
                    self.rescan.clone_from(&memory.rescan);
                    self.resume_due(&memory.due);
                    self.remembered = Some(memory.clone());
                    // Should this session end before it is open, the next one must know which UIDs these are.
                    self.uid_validity = memory.position.uid_validity;
                    before = Some(memory);
                }
            }
        }
        let uid_validity = selected.uid_validity;
        let position = before.as_ref().map(|memory| memory.position);
        let uid_next = match uid_next {
            Some(uid_next) => u64::from(uid_next),
            // An empty mailbox tells nothing of the UIDs that were given.
            None if position.is_some_and(|position| position.uid_validity == uid_validity) => given.max(1),
            None => 1,
        };
        if uid_validity == 0 || position.is_none_or(|position| position.uid_validity != uid_validity) {
            self.forget_due();
        }
        if let Some(memory) = before
            .as_mut()
            .filter(|memory| memory.position.uid_validity != uid_validity)
        {
            self.count(Counter::Renumbered);
            if let Some(same_below) = session.has_same_mails(&memory.recent, &mut self.unproven, self.pace)? {
                self.report_same_mails(memory.position.uid_validity, uid_validity);
                memory.position.uid_validity = uid_validity;
                memory.position.next_uid = memory.position.next_uid.min(same_below);
                // What was listed above is listed anew.
                let _ = self.go_back(same_below);
                given = given.min(same_below);
            }
        }
        let position = before.as_ref().map(|memory| memory.position);
        let (mut mailbox_end, mut given_again) = (uid_next, None);
        if let Some(memory) = before
            .as_ref()
            .filter(|memory| memory.position.uid_validity == uid_validity)
        {
            mailbox_end = session.mailbox_end(uid_next, given)?;
            let end = (mailbox_end < given).then_some(mailbox_end);
            given_again = session.given_again(&memory.recent, end, &mut self.unproven, self.pace)?;
        }
        let resumed = resume(position, uid_validity, given_again, mailbox_end, from_zero);
        match resumed {
            Resume::GoOn(_) => {}
            Resume::GoBack(first) => {
                for uid in self.go_back(first) {
                    if u64::from(uid) >= mailbox_end {
                        self.count(Counter::Expunged);
                        let reason = "the mail went with the mailbox's end before it was fetched";
                        self.gap(Level::Warn, reason, uid, "");
                    }
                }
                self.rescan = before
                    .as_ref()
                    .map(|memory| memory.rescan_given_again(first, mailbox_end));
            }
            Resume::FromNow(_) | Resume::FromZero => self.start_over(resumed.next_uid()),
            Resume::Renumbered { .. } => {
                let rescan = before.as_ref().map(|memory| memory.rescan(uid_next));
                self.start_over(resumed.next_uid());
                self.rescan = rescan;
            }
        }
        self.uid_validity = uid_validity;
        self.frontier.divide(uid_next);
        self.frontier.reaches(uid_next, selected.exists);
        if !self.made_way || resumed != Resume::GoOn(self.frontier.position()) {
            self.report(resumed, selected, uid_next, position);
        }
        self.tell_limit(session, selected, resumed);
        self.move_on()?;
        self.remember_last_mail(session, selected)?;
        self.move_on()
    }

    /// The mailbox is not there. Should it be made, a first start from then on would skip what came to it before it was
    /// looked for again, by this process or the next.
    pub(super) fn is_not_there(&mut self) -> Result<(), Failure> {
        if self.remembered.is_none() && self.mailbox.checkpoint.load()?.is_none() {
            self.mailbox.checkpoint.advance(&Memory::of_none())?;
        }
        Ok(())
    }

    /// UIDs from `first` on are, or will be, those of other mails: nothing is known of them. Gives back what was open there.
    /// Some servers make this necessary in every session: a mail at which sessions ended is asked for last and alone all the
    /// same, and refusals count on, or it would hold up all others for ever.
    fn go_back(&mut self, first: u64) -> Vec<u32> {
        let stays = |uid: u32| u64::from(uid) < first;
        for (_, stumbles) in self.stumbles.iter_mut().filter(|(uid, _)| !stays(**uid)) {
            *stumbles = limits::STUMBLES.min(*stumbles);
        }
        self.unkept.retain(|uid, _| stays(*uid));
        self.witness = self.witness.filter(|witness| stays(witness.uid));
        self.recent.go_back(first);
        self.leave_due(first);
        self.frontier.go_back(first)
    }

    fn start_over(&mut self, next_uid: u64) {
        self.frontier = Frontier::new(next_uid, &[]);
        self.recent = Recent::default();
        self.rescan = None;
        self.stumbles.clear();
        self.refusals.clear();
        self.unkept.clear();
        self.witness = None;
    }

    /// Where nothing was delivered yet, the last mail that never will be is what the mailbox can be known by.
    fn remember_last_mail(&mut self, session: &mut Session, selected: Selected) -> Result<(), Failure> {
        let position = self.frontier.position();
        if self.recent.is_empty() && selected.exists > 0 && position > 1 {
            let last = session.describe(&[])?;
            let done = last.into_iter().filter(|known| u64::from(known.uid) < position);
            self.recent = done.collect();
        }
        Ok(())
    }

    fn report_same_mails(&self, before: u32, now: u32) {
        self.log(
            Level::Warn,
            "UIDVALIDITY changed, and the mails under their UIDs are the same: going on",
            &[("uidvalidity", &now), ("uidvalidity_before", &before)],
        );
    }

    fn report(&self, resumed: Resume, selected: Selected, uid_next: u64, before: Option<Position>) {
        let (level, what) = match resumed {
            Resume::GoOn(next_uid) if next_uid > uid_next => (
                Level::Error,
                "UIDNEXT went down and UIDVALIDITY did not change (a restored server?): mails that get UIDs below \
                 next_uid count as delivered",
            ),
            Resume::GoOn(_) => (Level::Info, "going on"),
            Resume::FromNow(_) => (Level::Info, "first start: delivering what arrives from now on"),
            Resume::FromZero => (Level::Info, "first start: delivering everything"),
            Resume::GoBack(_) => (
                Level::Error,
                "UIDNEXT went down or mails have other dates, and UIDVALIDITY did not change (a restored server?): going \
                 back to next_uid; from there on everything is delivered that is not known to be",
            ),
            Resume::Renumbered { .. } => (
                Level::Warn,
                "UIDVALIDITY changed: the server has renumbered its mails, or they are others; delivering what is not \
                 known to be delivered",
            ),
        };
        let before = before.map_or(0, |position| position.uid_validity);
        self.log(
            level,
            what,
            &[
                ("mails", &selected.exists),
                ("uidvalidity", &selected.uid_validity),
                ("uidvalidity_before", &before),
                ("next_uid", &self.frontier.position()),
                ("uidnext", &uid_next),
            ],
        );
    }

    /// Who reads years of mail from Gmail should know from the start how long that takes.
    fn tell_limit(&mut self, session: &Session, selected: Selected, resumed: Resume) {
        let history = self.frontier.backlog_end().is_some() || resumed == Resume::FromZero && selected.exists > 0;
        if history && session.is_gmail() && !std::mem::replace(&mut self.limit_told, true) {
            self.log(
                Level::Info,
                "Gmail gives 2,500 MB a day and then locks the account out for a while: 26 GB of history take ten days",
                &[("mails", &selected.exists)],
            );
        }
    }
}
