//! Which mailboxes are read, over how many connections, and what is done there with delivered mails.

use super::node::Finding;
use super::settings::Section;
use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::wanted::Wanted;
use crate::limits;

/// `inbox_name` is a name whatever it holds; the entries of `inbox_names` may be patterns and uses.
pub(super) fn wanted(section: &Section<'_>) -> Result<Vec<Wanted>, Finding> {
    let name = section.text("inbox_name")?;
    let entries = section.texts("inbox_names")?;
    match name {
        Some(_) if !entries.is_empty() => {
            Err(section.fault("inbox_names", "inbox_name is set as well; move it into inbox_names"))
        }
        None if !entries.is_empty() => {
            let mut mailboxes = Vec::new();
            for entry in entries {
                let wanted = Wanted::read(&entry).map_err(|reason| section.fault("inbox_names", &reason))?;
                if !mailboxes.contains(&wanted) {
                    mailboxes.push(wanted);
                }
            }
            Ok(mailboxes)
        }
        name => Ok(vec![Wanted::Name(MailboxName::new(name.as_deref().unwrap_or("INBOX")))]),
    }
}

pub(super) fn max_connections(section: &Section<'_>) -> Result<usize, Finding> {
    match section.number("max_connections")?.unwrap_or(limits::CONNECTIONS) {
        0 => Err(section.fault("max_connections", "at least 1")),
        most => Ok(usize::try_from(most).unwrap_or(usize::MAX)),
    }
}

/// Mails moved into a mailbox that is watched would come again, and again.
pub(super) fn after_delivery(section: &Section<'_>, mailboxes: &[Wanted]) -> Result<Option<Action>, Finding> {
    let Some(text) = section.text("after_delivery")? else {
        return Ok(None);
    };
    let action = Action::read(&text).map_err(|reason| section.fault("after_delivery", &reason))?;
    let destination = action.as_ref().and_then(Action::destination);
    if mailboxes
        .iter()
        .filter_map(Wanted::name)
        .any(|name| Some(name) == destination)
    {
        let reason = "moves mails into a mailbox that is watched, from which they would be delivered again";
        return Err(section.fault("after_delivery", reason));
    }
    Ok(action)
}
