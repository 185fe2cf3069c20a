//! Which mailboxes of an account are wanted: names, patterns that the server's LIST expands (RFC 3501 section 6.3.8), and
//! special uses (RFC 6154).

use super::mailbox_name::MailboxName;

/// The uses that a mailbox can have (RFC 6154 section 2, RFC 8457 section 5), as they are written here.
const USES: [&str; 8] = [
    "\\All",
    "\\Archive",
    "\\Drafts",
    "\\Flagged",
    "\\Important",
    "\\Junk",
    "\\Sent",
    "\\Trash",
];

/// One entry of `inbox_names`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The mailbox of this name.
    Name(MailboxName),
    /// Those that LIST gives for this pattern: `*` is anything, `%` anything on one level of the hierarchy.
    Pattern(MailboxName),
    /// Those with this use, `\All` or another.
    Use(&'static str),
}

impl Wanted {
    /// Reads an entry. The error says what is wrong with it.
    pub fn read(entry: &str) -> Result<Wanted, String> {
        if entry.starts_with('\\') {
            let known = USES.iter().find(|known| known.eq_ignore_ascii_case(entry));
            return known
                .map(|known| Wanted::Use(known))
                .ok_or_else(|| format!("no use of a mailbox that servers know; there are {}", USES.join(", ")));
        }
        Ok(if entry.contains(['*', '%']) {
            Wanted::Pattern(MailboxName::new(entry))
        } else {
            Wanted::Name(MailboxName::new(entry))
        })
    }

    /// As it is written in the configuration.
    pub fn entry(&self) -> &str {
        match self {
            Wanted::Name(name) | Wanted::Pattern(name) => name.as_str(),
            Wanted::Use(name) => name,
        }
    }

    /// The name, where it is one that needs no asking.
    pub fn name(&self) -> Option<&MailboxName> {
        match self {
            Wanted::Name(name) => Some(name),
            Wanted::Pattern(_) | Wanted::Use(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;
    use crate::imap::mailbox_name::MailboxName;

    #[test]
    fn an_entry_is_a_name_a_pattern_or_a_use() {
        let name = MailboxName::new;
        for (entry, expected) in [
            ("INBOX", Wanted::Name(name("INBOX"))),
            ("Journal/2026", Wanted::Name(name("Journal/2026"))),
            ("Journal/*", Wanted::Pattern(name("Journal/*"))),
            ("%", Wanted::Pattern(name("%"))),
            ("\\All", Wanted::Use("\\All")),
            ("\\sent", Wanted::Use("\\Sent")),
        ] {
            assert_eq!(Wanted::read(entry), Ok(expected));
        }
        for wrong in ["\\", "\\Inbox", "\\Noselect", "\\All*"] {
            assert!(Wanted::read(wrong).unwrap_err().contains("\\Archive"), "{wrong}");
        }
    }
}
