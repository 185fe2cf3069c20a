//! Whether a mailbox is the one that is remembered: what the mails under remembered UIDs tell.

use sha2::{Digest as _, Sha256};

use super::{Arrival, Listed, Session, SessionError};
use crate::imap::pace::Pace;
use crate::imap::resume::{GivenAgain, Known, Recent, Sameness};
use crate::{limits, log};

impl Session {
    /// Whether the remembered mails are still there under their UIDs, whatever UIDVALIDITY says, and below which UID that
    /// is proven. Some servers make up a new one at every opportunity.
    pub fn has_same_mails(&mut self, recent: &Recent, pace: Pace) -> Result<Option<u64>, SessionError> {
        let now = self.describe_again(recent)?;
        let same_below = recent.same_below(&now);
        match recent.compare(&now) {
            Sameness::Other => Ok(None),
            Sameness::Same => Ok(Some(same_below)),
            Sameness::Prove(known) => {
                let proven = u64::from(known.uid).saturating_add(1);
                Ok(self.has_bytes_of(&known, pace)?.then_some(same_below.max(proven)))
            }
        }
    }

    /// Under the same UIDVALIDITY: from which UID on other mails have, or will have, the UIDs of those remembered; 1 where nothing
    /// tells. A server that was restored from a backup may be beyond what was delivered before anybody looks. `end` is where
    /// the mailbox ends, if that is below what was listed. `unproven` counts attempts to read a mail for proof of which none
    /// came back.
    pub fn given_again(
        &mut self,
        recent: &Recent,
        end: Option<u64>,
        unproven: &mut u32,
        pace: Pace,
    ) -> Result<Option<u64>, SessionError> {
        let now = match self.describe_again(recent) {
            // Of one mail, perhaps: that must not close the mailbox.
            Err(SessionError::Unavailable(reason)) => {
                self.report_not_compared(&reason);
                Vec::new()
            }
            described => described?,
        };
        let lowest = match recent.given_again(&now, end) {
            None => return Ok(None),
            Some(GivenAgain::From(first)) => return Ok(Some(first)),
            Some(GivenAgain::Above(lowest)) => lowest,
        };
        if let Some(known) = lowest.filter(|_| *unproven < limits::STUMBLES) {
            *unproven = unproven.saturating_add(1);
            let same = self.has_bytes_of(&known, pace)?;
            *unproven = 0;
            if same {
                return Ok(Some(u64::from(known.uid)));
            }
        }
        Ok(Some(1))
    }

    fn describe_again(&mut self, recent: &Recent) -> Result<Vec<Known>, SessionError> {
        if recent.is_empty() {
            return Ok(Vec::new());
        }
        let uids: Vec<u32> = recent.mails().map(|known| known.uid).collect();
        self.describe(&uids)
    }

    /// Whether the mail with this UID has these bytes; not, where it does not come.
    fn has_bytes_of(&mut self, known: &Known, pace: Pace) -> Result<bool, SessionError> {
        let listed = Listed {
            uid: known.uid,
            size: known.size.unwrap_or(0),
        };
        let mut same = false;
        let mut fetch = self.fetch(&[listed], pace);
        while let Some(arrival) = fetch.next()? {
            if let Arrival::Message(mut body) = arrival {
                let mut hash = Sha256::new();
                while let Some(chunk) = body.chunk()? {
                    hash.update(chunk);
                }
                same |= body.finish()?.is_some() && known.sha256 == Some(hash.finalize().into());
            }
        }
        Ok(same)
    }

    fn report_not_compared(&self, reason: &str) {
        log::warn(
            "the mails delivered last cannot be compared with what has their UIDs now",
            &[("server", &self.peer()), ("reason", &reason)],
        );
    }
}
