//! How much there is, without opening anything: for whoever asks before the first start.

use super::{Session, SessionError, slow, trouble};
use crate::imap::command::{Command, Measured};
use crate::imap::mailbox_name::MailboxName;
use crate::imap::response::{Response, Status};
use crate::imap::wanted::Wanted;

impl Session {
    /// What STATUS tells of `mailbox`: mails, and their size where the server knows it. A refusal tells nothing.
    pub fn count(&mut self, mailbox: &MailboxName) -> Result<Status, SessionError> {
        let can_measure = |name| self.capabilities.as_ref().is_some_and(|can| can.has(name));
        // IMAP4rev2 has it in itself (RFC 9051 section 6.3.11).
        let measured = if can_measure("STATUS=SIZE") || can_measure("IMAP4REV2") {
            Measured::Bytes
        } else {
            Measured::Mails
        };
        let mut counted = Status::default();
        let condition = self.run(&Command::Count(mailbox.clone(), measured), slow(), |response| {
            if let Response::Status(status) = response {
                counted = status;
            }
        })?;
        trouble(&condition).map_or(Ok(counted), Err)
    }

    /// Every mailbox of the account that can be opened.
    pub fn every_mailbox(&mut self) -> Result<Vec<MailboxName>, SessionError> {
        let listing = self.mailboxes(&[Wanted::Pattern(MailboxName::new("*"))])?;
        Ok(listing.found.into_iter().map(|found| found.name).collect())
    }
}
