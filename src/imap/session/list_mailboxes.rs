//! Which mailboxes there are: LIST (RFC 3501 section 6.3.8), with special uses where the server knows them (RFC 6154).

use std::collections::BTreeSet;

use super::{Session, SessionError, refusal, slow};
use crate::imap::command::Command;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::response::{ListedMailbox, Response};
use crate::imap::wanted::Wanted;
use crate::{limits, log};

impl Session {
    /// The mailboxes that `wanted` means at this moment, each once. One that is asked for by its name is among them
    /// whether it is there or not. An entry that means none is logged.
    pub fn mailboxes(&mut self, wanted: &[Wanted]) -> Result<Vec<MailboxName>, SessionError> {
        let mut seen = BTreeSet::new();
        let mut mailboxes = Vec::new();
        for wanted in wanted {
            let found = match wanted {
                Wanted::Name(name) => vec![name.clone()],
                Wanted::Pattern(pattern) => self.matching(pattern)?,
                Wanted::Use(name) => self.used_as(name)?,
            };
            // Two spellings that read the same would share a checkpoint.
            mailboxes.extend(found.into_iter().filter(|name| seen.insert(name.as_str().to_owned())));
        }
        if mailboxes.len() > limits::MAILBOXES {
            log::error(
                "more mailboxes than can be watched: the others are not",
                &[("server", &self.peer()), ("watched", &limits::MAILBOXES)],
            );
            mailboxes.truncate(limits::MAILBOXES);
        }
        Ok(mailboxes)
    }

    fn matching(&mut self, pattern: &MailboxName) -> Result<Vec<MailboxName>, SessionError> {
        let listed = self.list_with(&Command::ListMailboxes(pattern.clone()))?;
        let names = selectable(listed, |_| true);
        if names.is_empty() {
            let delimiter = self.delimiter()?.unwrap_or_else(|| "none".to_owned());
            log::warn(
                "no mailbox matches an entry of inbox_names",
                &[
                    ("server", &self.peer()),
                    ("entry", pattern),
                    ("hierarchy_delimiter", &delimiter),
                ],
            );
        }
        Ok(names)
    }

    /// Servers tell uses when asked, or always. One that refuses the question may still be one that always tells.
    fn used_as(&mut self, name: &str) -> Result<Vec<MailboxName>, SessionError> {
        let has_use = |listed: &ListedMailbox| listed.has(name);
        let mut names = Vec::new();
        if self.knows_special_use() {
            match self.list_with(&Command::ListSpecialUse) {
                Ok(listed) => names = selectable(listed, has_use),
                Err(SessionError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if names.is_empty() {
            let everything = Command::ListMailboxes(MailboxName::new("*"));
            names = selectable(self.list_with(&everything)?, has_use);
        }
        if names.is_empty() {
            log::warn(
                "the server says of no mailbox that it has the use which an entry of inbox_names asks for",
                &[("server", &self.peer()), ("entry", &name)],
            );
        }
        Ok(names)
    }

    /// What stands between the levels of names, by the empty pattern (RFC 3501 section 6.3.8).
    fn delimiter(&mut self) -> Result<Option<String>, SessionError> {
        let listed = self.list_with(&Command::ListMailboxes(MailboxName::new("")))?;
        Ok(listed.into_iter().find_map(|listed| listed.delimiter))
    }

    fn list_with(&mut self, command: &Command) -> Result<Vec<ListedMailbox>, SessionError> {
        let mut listed = Vec::new();
        let condition = self.run(command, slow(), |response| {
            if let Response::List(mailbox) = response
                // One more than are watched tells that there are more.
                && listed.len() <= limits::MAILBOXES
                && mailbox.name.wire().len() <= limits::MAILBOX_NAME
            {
                listed.push(mailbox);
            }
        })?;
        if condition.is_ok() {
            Ok(listed)
        } else {
            Err(refusal(command, &condition))
        }
    }

    fn knows_special_use(&self) -> bool {
        let capabilities = self.capabilities.as_ref();
        capabilities.is_some_and(|capabilities| capabilities.has("SPECIAL-USE"))
    }
}

/// Those of `listed` that can be opened and are `wanted`.
fn selectable(listed: Vec<ListedMailbox>, wanted: impl Fn(&ListedMailbox) -> bool) -> Vec<MailboxName> {
    let closed = |listed: &ListedMailbox| listed.has("\\Noselect") || listed.has("\\NonExistent");
    let open = listed.into_iter().filter(|listed| !closed(listed) && wanted(listed));
    open.map(|listed| listed.name).collect()
}
