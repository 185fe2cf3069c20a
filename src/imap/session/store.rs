//! What is done with mails that were delivered: flags, MOVE (RFC 6851), deletion with UIDPLUS (RFC 4315).
//!
//! Only ever by UID, and never EXPUNGE without UIDs: that removes what other clients have marked as deleted. Every step can
//! be repeated; COPY alone would leave a second copy, so what was copied is remembered.

use std::collections::BTreeSet;

use super::{Session, SessionError, refusal, slow};
use crate::imap::action::Action;
use crate::imap::command::Command;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::uid::UidSet;

/// How far an action came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// It is done.
    Out,
    /// The mails are marked as deleted and still there: without UIDPLUS nothing removes them and no others.
    OnlyMarked,
}

impl Session {
    /// Carries `action` out on `uids`; those that are not there any more are no error. `copied` are mails that a repeated
    /// move need not copy again.
    pub fn carry_out(
        &mut self,
        action: &Action,
        uids: &UidSet,
        copied: &mut BTreeSet<u32>,
    ) -> Result<Carried, SessionError> {
        match action {
            Action::Flag(flag) => {
                self.store(&Command::Store(uids.clone(), flag.clone()))?;
                Ok(Carried::Out)
            }
            Action::Move(mailbox) if self.can("MOVE") => {
                self.store(&Command::Move(uids.clone(), self.spelt(mailbox)))?;
                Ok(Carried::Out)
            }
            Action::Move(mailbox) => {
                self.copy(mailbox, uids, copied)?;
                self.delete(uids)
            }
            Action::Delete => self.delete(uids),
        }
    }

    fn copy(&mut self, mailbox: &MailboxName, uids: &UidSet, copied: &mut BTreeSet<u32>) -> Result<(), SessionError> {
        let left: UidSet = uids
            .uids()
            .iter()
            .copied()
            .filter(|uid| !copied.contains(uid))
            .collect();
        if !left.is_empty() {
            self.store(&Command::Copy(left.clone(), self.spelt(mailbox)))?;
            copied.extend(left.uids());
        }
        Ok(())
    }

    fn delete(&mut self, uids: &UidSet) -> Result<Carried, SessionError> {
        self.store(&Command::Store(uids.clone(), "\\Deleted".to_owned()))?;
        if !self.can("UIDPLUS") {
            return Ok(Carried::OnlyMarked);
        }
        self.store(&Command::UidExpunge(uids.clone()))?;
        Ok(Carried::Out)
    }

    /// IMAP4rev2 (RFC 9051) has both extensions built in.
    fn can(&self, extension: &str) -> bool {
        let capabilities = self.capabilities.as_ref();
        capabilities.is_some_and(|capabilities| capabilities.has(extension) || capabilities.has("IMAP4REV2"))
    }

    /// Runs a command that changes mails. That they go is no news.
    fn store(&mut self, command: &Command) -> Result<(), SessionError> {
        let (news, announced) = (self.news, self.announced);
        let condition = self.run(command, slow(), |_| {})?;
        if self.announced == announced {
            self.news = news;
        }
        if condition.is_ok() {
            Ok(())
        } else {
            Err(refusal(command, &condition))
        }
    }
}
