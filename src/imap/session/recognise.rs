//! Whether a mailbox is the one that is remembered: what the mails under remembered UIDs tell.

use sha2::{Digest as _, Sha256};

use super::{Arrival, Listed, Session, SessionError};
use crate::imap::pace::Pace;
use crate::imap::resume::{Known, Recent, Sameness};

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

    /// From which UID on other mails have the UIDs of those remembered, whatever UIDVALIDITY says; 1 where nothing tells. A
    /// server that was restored from a backup may be beyond what was delivered before anybody looks: UIDNEXT tells nothing.
    pub fn given_again(&mut self, recent: &Recent, pace: Pace) -> Result<Option<u64>, SessionError> {
        let now = self.describe_again(recent)?;
        let Some(given_again) = recent.given_again(&now) else {
            return Ok(None);
        };
        if let Some(known) = given_again.disproof
            && self.has_bytes_of(&known, pace)?
        {
            return Ok(None);
        }
        Ok(Some(given_again.first))
    }

    fn describe_again(&mut self, recent: &Recent) -> Result<Vec<Known>, SessionError> {
        if recent.is_empty() {
            return Ok(Vec::new());
        }
        let uids: Vec<u32> = recent.mails().map(|known| known.uid).collect();
        self.describe(&uids)
    }

    /// Whether the mail with this UID has these bytes.
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
                same = body.finish()?.is_some() && known.sha256 == Some(hash.finalize().into());
            }
        }
        Ok(same)
    }
}
