//! Whether a mailbox is the one that is remembered: what the mails under remembered UIDs tell.

use sha2::{Digest as _, Sha256};

use super::{Arrival, Listed, Session, SessionError};
use crate::imap::pace::Pace;
use crate::imap::resume::{GivenAgain, Known, Recent, Sameness};
use crate::{limits, log};

impl Session {
    /// Whether the remembered mails are still there under their UIDs, whatever UIDVALIDITY says, and below which UID that
    /// is proven. Some servers make up a new one at every opportunity. `unproven` counts the sessions in a row that ended
    /// while this was asked: after a few it counts as not so, which repeats mails rather than none.
    pub fn has_same_mails(
        &mut self,
        recent: &Recent,
        unproven: &mut u32,
        pace: Pace,
    ) -> Result<Option<u64>, SessionError> {
        if *unproven >= limits::STUMBLES {
            *unproven = 0;
            return Ok(None);
        }
        *unproven = unproven.saturating_add(1);
        let now = self.describe_again(recent)?;
        let same_below = recent.same_below(&now);
        let same = match recent.compare(&now) {
            Sameness::Other => None,
            Sameness::Same => Some(same_below),
            Sameness::Prove(known) => {
                let proven = u64::from(known.uid).saturating_add(1);
                let same = self.has_bytes_of(&known, pace)? == Some(true);
                same.then_some(same_below.max(proven))
            }
        };
        *unproven = 0;
        Ok(same)
    }

    /// Under the same UIDVALIDITY: from which UID on other mails have, or will have, the UIDs of those remembered; 1 where
    /// nothing tells. A server that was restored from a backup may be beyond what was delivered before anybody looks. `end` is
    /// where the mailbox ends, if that is below what was listed. `unproven` is as above: after a few no mail is read for proof,
    /// after more nothing is asked, which the next opening makes up for.
    pub fn given_again(
        &mut self,
        recent: &Recent,
        end: Option<u64>,
        unproven: &mut u32,
        pace: Pace,
    ) -> Result<Option<u64>, SessionError> {
        let gives_up = *unproven >= limits::STUMBLES;
        *unproven = unproven.saturating_add(1);
        // Of one mail, perhaps: that must not close the mailbox.
        let now = if *unproven > limits::STUMBLES_MOST {
            self.report_not_compared();
            Vec::new()
        } else {
            self.describe_again(recent)?
        };
        let first = match recent.given_again(&now, end) {
            None => None,
            Some(GivenAgain::From(first)) => Some(first),
            Some(GivenAgain::Above(_)) if gives_up => Some(1),
            Some(GivenAgain::Above(mails)) => Some(self.first_of_same(&mails, pace)?),
        };
        *unproven = 0;
        Ok(first)
    }

    /// The UID of the first of `mails` that can be read, if it has its bytes; else 1.
    fn first_of_same(&mut self, mails: &[Known], pace: Pace) -> Result<u64, SessionError> {
        for known in mails {
            match self.has_bytes_of(known, pace)? {
                Some(true) => return Ok(u64::from(known.uid)),
                Some(false) => break,
                None => {}
            }
        }
        Ok(1)
    }

    fn describe_again(&mut self, recent: &Recent) -> Result<Vec<Known>, SessionError> {
        if recent.is_empty() {
            return Ok(Vec::new());
        }
        let uids: Vec<u32> = recent.mails().map(|known| known.uid).collect();
        self.describe(&uids)
    }

    /// Whether the mail with this UID has these bytes; `None` where it does not come.
    fn has_bytes_of(&mut self, known: &Known, pace: Pace) -> Result<Option<bool>, SessionError> {
        let listed = Listed {
            uid: known.uid,
            size: known.size.unwrap_or(0),
        };
        let mut same = None;
        let mut fetch = self.fetch(&[listed], pace);
        while let Some(arrival) = fetch.next()? {
            if let Arrival::Message(mut body) = arrival {
                let mut hash = Sha256::new();
                while let Some(chunk) = body.chunk()? {
                    hash.update(chunk);
                }
                if body.finish()?.is_some() {
                    same = Some(known.sha256 == Some(hash.finalize().into()));
                }
            }
        }
        Ok(same)
    }

    fn report_not_compared(&self) {
        log::warn(
            "the mails delivered last cannot be compared with what has their UIDs now: every session ends at that",
            &[("server", &self.peer())],
        );
    }
}
