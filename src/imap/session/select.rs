//! Opening a mailbox (RFC 3501 sections 6.3.1 and 6.3.2): EXAMINE, or SELECT where something is to be written; and the UID
//! that the next mail will have.

use std::fmt;

use super::connection::trouble;
use super::{Session, SessionError, refusal, slow};
use crate::imap::command::Command;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::response::{Code, Response, State, Status};
use crate::log;

/// What EXAMINE or SELECT said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// UIDVALIDITY; 0 where the server has none to give, which is logged: such a mailbox's UIDs are taken on trust.
    pub uid_validity: u32,
    /// UIDNEXT, where the server said it.
    pub uid_next: Option<u32>,
    /// How many mails there are.
    pub exists: u32,
}

impl Session {
    /// Opens `mailbox` for reading only. Also the way to learn a fresh UIDNEXT later.
    pub fn examine(&mut self, mailbox: &MailboxName) -> Result<Selected, SessionError> {
        self.open_mailbox(mailbox, Command::Examine)
    }

    /// Opens `mailbox` for writing as well: only `after_delivery` needs that, and one that can only be read is an error.
    pub fn select(&mut self, mailbox: &MailboxName) -> Result<Selected, SessionError> {
        self.open_mailbox(mailbox, Command::Select)
    }

    /// By the name in modified UTF-7; and where that is not there, as servers write it that never heard of it.
    fn open_mailbox(
        &mut self,
        mailbox: &MailboxName,
        command: fn(MailboxName) -> Command,
    ) -> Result<Selected, SessionError> {
        let spelt = self.spelt(mailbox);
        let opened = self.open_as(&spelt, &command(spelt.clone()));
        let (Err(SessionError::NoSuchMailbox(_) | SessionError::Configuration(_)), Some(raw)) =
            (&opened, spelt.in_utf_8())
        else {
            return opened;
        };
        match self.open_as(&raw, &command(raw.clone())) {
            Ok(selected) => {
                self.connection.names_in_utf_8 = true;
                Ok(selected)
            }
            Err(error @ (SessionError::Net(_) | SessionError::Protocol(_) | SessionError::Bye(_))) => Err(error),
            Err(_) => opened,
        }
    }

    /// A mailbox's name as this server writes it.
    pub(super) fn spelt(&self, mailbox: &MailboxName) -> MailboxName {
        let raw = mailbox.in_utf_8().filter(|_| self.connection.names_in_utf_8);
        raw.unwrap_or_else(|| mailbox.clone())
    }

    fn open_as(&mut self, mailbox: &MailboxName, command: &Command) -> Result<Selected, SessionError> {
        let (mut uid_validity, mut uid_next) = (None, None);
        let mut read_only = false;
        let mut take = |code: Option<Code>| match code {
            Some(Code::UidValidity(value)) => uid_validity = Some(value),
            Some(Code::UidNext(value)) => uid_next = Some(value),
            Some(Code::Other(name)) if name == "READ-ONLY" => read_only = true,
            _ => {}
        };
        self.exists = 0;
        let condition = self.run(command, slow(), |response| {
            if let Response::Condition(condition) = response {
                take(condition.code);
            }
        })?;
        take(condition.code.clone());
        let text = condition.to_string();
        match condition.state {
            State::Ok if read_only && matches!(command, Command::Select(_)) => {
                return Err(SessionError::Configuration(format!(
                    "the server lets us only read the mailbox {:?}: `after_delivery` needs the right to write to it, or must \
                     be `keep`: {text}",
                    mailbox.as_str()
                )));
            }
            State::Ok => {}
            State::No => {
                let reason = format!(
                    "the server does not open the mailbox {:?}, check `inbox_name` or `inbox_names`: {text}",
                    mailbox.as_str()
                );
                return Err(match trouble(&condition) {
                    Some(error) => error,
                    None if condition.has_code("NONEXISTENT") => SessionError::NoSuchMailbox(reason),
                    None => SessionError::Configuration(reason),
                });
            }
            State::Bad | State::Bye | State::PreAuth => return Err(refusal(command, &condition)),
        }
        // What came with it is known now.
        self.news = false;
        self.announced = 0;
        let selected = Selected {
            uid_validity: uid_validity.unwrap_or(0),
            uid_next: uid_next.filter(|next| *next > 0),
            exists: self.exists,
        };
        if selected.uid_validity > 0 {
            return Ok(selected);
        }
        self.without_uid_validity(mailbox, selected)
    }

    /// RFC 3501 section 7.1 wants UIDVALIDITY in every answer to EXAMINE. Without it the UIDs may change their meaning
    /// unnoticed, so STATUS is asked; a server that has none at all is trusted, and the operator told.
    fn without_uid_validity(&mut self, mailbox: &MailboxName, selected: Selected) -> Result<Selected, SessionError> {
        let uid_validity = self.status(mailbox)?.uid_validity.unwrap_or(0);
        if uid_validity == 0 && !std::mem::replace(&mut self.connection.trust_told, true) {
            let fields: [(&str, &dyn fmt::Display); 2] = [("server", &self.peer().to_owned()), ("mailbox", mailbox)];
            log::warn(
                "the server gives no UIDVALIDITY: a mailbox that is created anew would go unnoticed",
                &fields,
            );
        }
        Ok(Selected {
            uid_validity,
            ..selected
        })
    }

    fn status(&mut self, mailbox: &MailboxName) -> Result<Status, SessionError> {
        let mut found = Status::default();
        let condition = self.run(&Command::Status(self.spelt(mailbox)), slow(), |response| {
            if let Response::Status(status) = response {
                found = status;
            }
        })?;
        // A refusal is an answer as well: the server does not say.
        trouble(&condition).map_or(Ok(found), Err)
    }

    /// The UID that the next mail will have at least: EXAMINE's UIDNEXT, else STATUS, else one more than the last UID.
    /// `None`: the server does not say, and the mailbox is empty.
    pub fn uid_next(&mut self, mailbox: &MailboxName, selected: &Selected) -> Result<Option<u32>, SessionError> {
        if selected.uid_next.is_some() {
            return Ok(selected.uid_next);
        }
        let said = self.status(mailbox)?.uid_next.filter(|next| *next > 0);
        if said.is_some() || self.exists == 0 {
            return Ok(said);
        }
        self.behind_last().map(Some)
    }

    /// Where the mailbox ends, of which UIDs below `given` are known to have been given. Some servers say any UIDNEXT that is
    /// lower; only the last mail tells.
    pub fn mailbox_end(&mut self, uid_next: u64, given: u64) -> Result<u64, SessionError> {
        if uid_next >= given {
            return Ok(uid_next);
        }
        Ok(uid_next.max(u64::from(self.behind_last()?)))
    }

    /// One more than the last UID.
    fn behind_last(&mut self) -> Result<u32, SessionError> {
        // In an empty mailbox `*` is nobody, which some servers refuse; and nothing has been missed yet.
        if self.exists == 0 {
            return Ok(1);
        }
        let mut last = None;
        let condition = self.run(&Command::LastUid, slow(), |response| {
            if let Response::Fetch(attributes) = response {
                last = last.max(attributes.uid);
            }
        })?;
        match last {
            Some(last) if condition.is_ok() => Ok(last.saturating_add(1)),
            _ => Err(refusal(&Command::LastUid, &condition)),
        }
    }
}
