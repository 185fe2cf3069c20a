//! Which mailboxes there are: LIST (RFC 3501 section 6.3.8), with special uses where the server knows them (RFC 6154).

use std::collections::BTreeMap;

use super::{Session, SessionError, refusal, slow};
use crate::imap::command::Command;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::response::{ListedMailbox, Response};
use crate::imap::wanted::Wanted;
use crate::{limits, log};

/// One mailbox that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: MailboxName,
    /// Which entries mean it, by their places.
    pub by: Vec<usize>,
}

/// The mailboxes that are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those that can be watched, each once.
    pub found: Vec<Found>,
    /// More were meant than [`limits::MAILBOXES`].
    too_many: bool,
    /// So many have names that are too long.
    too_long: u64,
}

impl Listing {
    /// Why others are left out; `None` where none is.
    pub fn left_out(&self) -> Option<String> {
        let too_many = format!("inbox_names comes to more than {} mailboxes", limits::MAILBOXES);
        let too_long = format!("{} names are longer than {} bytes", self.too_long, limits::MAILBOX_NAME);
        match (self.too_many, self.too_long) {
            (false, 0) => None,
            (true, 0) => Some(too_many),
            (false, _) => Some(too_long),
            (true, _) => Some(format!("{too_many}, and {too_long}")),
        }
    }
}

#[cfg(test)]
impl From<&[&str]> for Listing {
    fn from(names: &[&str]) -> Listing {
        Listing {
            found: names
                .iter()
                .map(|name| Found {
                    name: MailboxName::new(name),
                    by: vec![0],
                })
                .collect(),
            ..Listing::default()
        }
    }
}

impl Session {
    /// The mailboxes that `wanted` means at this moment. One that is asked for by its name is among them whether it is
    /// there or not. An entry that means none is logged.
    pub fn mailboxes(&mut self, wanted: &[Wanted]) -> Result<Listing, SessionError> {
        let mut listing = Listing::default();
        // Two spellings that read the same would share a checkpoint.
        let mut places = BTreeMap::new();
        for (entry, wanted) in wanted.iter().enumerate() {
            let names = match wanted {
                Wanted::Name(name) => vec![name.clone()],
                Wanted::Pattern(pattern) => self.matching(pattern, &mut listing)?,
                Wanted::Use(name) => self.used_as(name, &mut listing)?,
            };
            for name in names {
                let place = *places.entry(name.as_str().to_owned()).or_insert(listing.found.len());
                match listing.found.get_mut(place) {
                    Some(found) => found.by.push(entry),
                    None => listing.found.push(Found { name, by: vec![entry] }),
                }
            }
        }
        listing.too_many |= listing.found.len() > limits::MAILBOXES;
        listing.found.truncate(limits::MAILBOXES);
        Ok(listing)
    }

    fn matching(&mut self, pattern: &MailboxName, listing: &mut Listing) -> Result<Vec<MailboxName>, SessionError> {
        let spelt = self.spelt(pattern);
        let listed = self.list_with(&Command::ListMailboxes(spelt.clone()), listing)?;
        let mut names = selectable(listed, |_| true);
        if names.is_empty()
            && let Some(raw) = spelt.in_utf_8()
        {
            // Most servers have every right to refuse this spelling.
            match self.list_with(&Command::ListMailboxes(raw), listing) {
                Ok(listed) => names = selectable(listed, |_| true),
                Err(SessionError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            self.connection.names_in_utf_8 |= !names.is_empty();
        }
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
    fn used_as(&mut self, name: &str, listing: &mut Listing) -> Result<Vec<MailboxName>, SessionError> {
        let has_use = |listed: &ListedMailbox| listed.has(name);
        let mut names = Vec::new();
        if self.knows_special_use() {
            match self.list_with(&Command::ListSpecialUse, listing) {
                Ok(listed) => names = selectable(listed, has_use),
                Err(SessionError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if names.is_empty() {
            let everything = Command::ListMailboxes(MailboxName::new("*"));
            names = selectable(self.list_with(&everything, listing)?, has_use);
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
        let listed = self.list_with(&Command::ListMailboxes(MailboxName::new("")), &mut Listing::default())?;
        Ok(listed.into_iter().find_map(|listed| listed.delimiter))
    }

    /// What is left out of the answer is noted in `listing`.
    fn list_with(&mut self, command: &Command, listing: &mut Listing) -> Result<Vec<ListedMailbox>, SessionError> {
        let mut listed = Vec::new();
        let condition = self.run(command, slow(), |response| {
            let Response::List(mailbox) = response else { return };
            if mailbox.name.wire().len() > limits::MAILBOX_NAME {
                listing.too_long = listing.too_long.saturating_add(1);
            } else if listed.len() >= limits::MAILBOXES {
                listing.too_many = true;
            } else {
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
