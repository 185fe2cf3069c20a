//! What is done on the server with a mail that was delivered: `after_delivery`. Nothing, unless it is asked for.

use super::mailbox_name::MailboxName;
use crate::limits;

/// What is done with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It gets this flag: `\Seen`, or a keyword.
    Flag(String),
    /// It goes to this mailbox.
    Move(MailboxName),
    /// It is deleted.
    Delete,
}

impl Action {
    /// Reads `after_delivery`: `keep` is none. The error says what is wrong with it.
    pub fn read(text: &str) -> Result<Option<Action>, String> {
        let action = match text.split_once(':') {
            None => match text {
                "keep" => return Ok(None),
                "seen" => Action::Flag("\\Seen".to_owned()),
                "delete" => Action::Delete,
                _ => return Err("expected keep, seen, flag:NAME, move:MAILBOX or delete".to_owned()),
            },
            Some(("flag", name)) => Action::Flag(flag(name)?),
            Some(("move", name)) => Action::Move(destination(name)?),
            Some(_) => return Err("expected keep, seen, flag:NAME, move:MAILBOX or delete".to_owned()),
        };
        Ok(Some(action))
    }

    /// Where mails go, if they go anywhere.
    pub fn destination(&self) -> Option<&MailboxName> {
        match self {
            Action::Move(mailbox) => Some(mailbox),
            Action::Flag(_) | Action::Delete => None,
        }
    }
}

/// A flag that a client may set and that does nothing else (RFC 3501 sections 2.3.2 and 9: a keyword is an atom).
fn flag(name: &str) -> Result<String, String> {
    const SYSTEM: [&str; 4] = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft"];
    if name.starts_with('\\') {
        let known = SYSTEM.iter().find(|known| known.eq_ignore_ascii_case(name));
        return known.map(|known| (*known).to_owned()).ok_or_else(|| {
            format!(
                "not a flag to set; there are {}, and keywords of your own such as $Collected",
                SYSTEM.join(", ")
            )
        });
    }
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    if name.is_empty() || name.len() > limits::FLAG || !name.bytes().all(is_atom) {
        return Err(
            "a flag's name is one word of ASCII without ( ) { % * \" \\ ] and at most 100 characters, such as $Collected"
                .to_owned(),
        );
    }
    Ok(name.to_owned())
}

fn destination(name: &str) -> Result<MailboxName, String> {
    let mailbox = MailboxName::new(name);
    if name.is_empty() || mailbox.wire().len() > limits::DESTINATION {
        return Err("move: needs the name of a mailbox, of at most 1,000 bytes".to_owned());
    }
    Ok(mailbox)
}

#[cfg(test)]
mod tests {
    use super::Action;
    use crate::imap::mailbox_name::MailboxName;
    use crate::limits;

    #[test]
    fn every_action_is_read_as_it_is_written() {
        let flag = |name: &str| Some(Action::Flag(name.to_owned()));
        let to = |name: &str| Some(Action::Move(MailboxName::new(name)));
        for (text, expected) in [
            ("keep", None),
            ("seen", flag("\\Seen")),
            ("flag:\\flagged", flag("\\Flagged")),
            ("flag:$Collected", flag("$Collected")),
            ("flag:a:b", flag("a:b")),
            ("move:Done", to("Done")),
            ("move:Büro/a: b", to("Büro/a: b")),
            ("move:inbox", to("INBOX")),
            ("delete", Some(Action::Delete)),
        ] {
            assert_eq!(Action::read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn no_flag_deletes_by_the_back_door_and_none_ends_a_command() {
        let long = format!("flag:{}", "x".repeat(limits::FLAG + 1));
        for text in [
            "flag:\\Deleted",
            "flag:\\deleted",
            "flag:\\Recent",
            "flag:\\*",
            "flag:",
            "flag:a b",
            "flag:a)",
            "flag:a\r\nA1 EXPUNGE",
            "flag:ä",
            "flag:a]",
            &long,
            "move:",
            "",
            "Keep",
            "remove",
            "delete:now",
            "seen:",
        ] {
            assert!(Action::read(text).is_err(), "{text}");
        }
        assert!(Action::read(&format!("flag:{}", "x".repeat(limits::FLAG))).is_ok());
    }

    #[test]
    fn a_destination_leaves_room_for_uids_in_a_command() {
        let of = |length| Action::read(&format!("move:{}", "x".repeat(length)));
        assert!(of(limits::DESTINATION).is_ok());
        assert!(of(limits::DESTINATION + 1).is_err());
        // The name's own quotes and backslashes are written twice.
        const { assert!(limits::STORE_SET_LENGTH + 2 * limits::DESTINATION < 8000 - 50) };
    }
}
