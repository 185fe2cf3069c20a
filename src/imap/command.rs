//! Commands as bytes (RFC 3501 section 6). Whatever a name or password holds, it cannot end a line.

use super::mailbox_name::MailboxName;
use super::uid::UidSet;
use crate::secret::Secret;

/// What [`Command::Count`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// Mails.
    Mails,
    /// Their bytes as well.
    Bytes,
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What can you do?
    Capability,
    /// Go on in TLS (RFC 3501 section 6.2.1).
    StartTls,
    /// Username and password in the command.
    Login {
        /// The username.
        username: String,
        /// The password.
        password: Secret<String>,
    },
    /// The beginning of a SASL login (RFC 3501 section 6.2.2).
    Authenticate {
        /// The mechanism's name.
        mechanism: &'static str,
        /// Its first message, in base64, where the server takes it with the command (SASL-IR, RFC 4959).
        first: Option<Secret<String>>,
    },
    /// Go on compressed (RFC 4978).
    Compress,
    /// Who we are (RFC 2971): some servers serve nobody who does not say.
    Id,
    /// Open a mailbox for reading only.
    Examine(MailboxName),
    /// Open a mailbox for reading and writing.
    Select(MailboxName),
    /// The mailboxes that match a pattern; the empty one asks for the hierarchy delimiter.
    ListMailboxes(MailboxName),
    /// The mailboxes that have a special use (RFC 6154 section 5.1).
    ListSpecialUse,
    /// UIDNEXT and UIDVALIDITY of a mailbox.
    Status(MailboxName),
    /// How many mails a mailbox has, and where the server can say it (STATUS=SIZE, RFC 8438) how many bytes.
    Count(MailboxName, Measured),
    /// UIDs and sizes from one UID to another.
    List(u32, u32),
    /// The UID of the last mail.
    LastUid,
    /// By what these mails can be recognised; of none, the last mail.
    Describe(UidSet),
    /// Mails, without setting `\Seen`.
    Fetch(UidSet),
    /// Which of these are there?
    Search(UidSet),
    /// Which are there from one UID to another?
    SearchRange(u32, u32),
    /// Set a flag.
    Store(UidSet, String),
    /// Copy into a mailbox.
    Copy(UidSet, MailboxName),
    /// Move into a mailbox (RFC 6851).
    Move(UidSet, MailboxName),
    /// Remove those of these that are marked `\Deleted`, and no others (UIDPLUS, RFC 4315). There is no EXPUNGE here: it
    /// removes what others have marked as well.
    UidExpunge(UidSet),
    /// Anything new?
    Noop,
    /// Say when there is something new (RFC 2177). Ended by [`DONE`].
    Idle,
    /// Goodbye.
    Logout,
}

/// Ends IDLE.
pub const DONE: &[u8] = b"DONE\r\n";

/// Refuses to go on with AUTHENTICATE (RFC 3501 section 6.2.2).
pub const CANCEL: &[u8] = b"*\r\n";

impl Command {
    /// Its name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Capability => "CAPABILITY",
            Command::StartTls => "STARTTLS",
            Command::Login { .. } => "LOGIN",
            Command::Authenticate { .. } => "AUTHENTICATE",
            Command::Compress => "COMPRESS DEFLATE",
            Command::Id => "ID",
            Command::Examine(_) => "EXAMINE",
            Command::Select(_) => "SELECT",
            Command::ListMailboxes(_) | Command::ListSpecialUse => "LIST",
            Command::Status(_) | Command::Count(..) => "STATUS",
            Command::List(..) | Command::LastUid | Command::Describe(_) | Command::Fetch(_) => "UID FETCH",
            Command::Search(_) | Command::SearchRange(..) => "UID SEARCH",
            Command::Store(..) => "UID STORE",
            Command::Copy(..) => "UID COPY",
            Command::Move(..) => "UID MOVE",
            Command::UidExpunge(_) => "UID EXPUNGE",
            Command::Noop => "NOOP",
            Command::Idle => "IDLE",
            Command::Logout => "LOGOUT",
        }
    }

    /// Its bytes, in the parts between which the server must ask for more (`+`).
    pub fn parts(&self, tag: &str) -> Secret<Vec<Vec<u8>>> {
        let mut parts = Parts::new(tag);
        match self {
            Command::Login { username, password } => {
                parts.word("LOGIN");
                parts.string(username.as_bytes());
                parts.string(password.expose().as_bytes());
            }
            Command::Authenticate { mechanism, first } => {
                parts.word("AUTHENTICATE");
                parts.word(mechanism);
                if let Some(first) = first {
                    parts.word(first.expose());
                }
            }
            Command::Id => {
                parts.word(concat!(
                    "ID (\"name\" \"mailtap\" \"version\" \"",
                    env!("CARGO_PKG_VERSION"),
                    "\")"
                ));
            }
            Command::Examine(mailbox) | Command::Select(mailbox) => {
                parts.word(self.name());
                parts.string(mailbox.wire());
            }
            // SILENT: the answer would be a FETCH for each mail.
            Command::Store(uids, flag) => parts.word(&format!("UID STORE {} +FLAGS.SILENT ({flag})", uids.written())),
            Command::Copy(uids, mailbox) | Command::Move(uids, mailbox) => {
                parts.word(self.name());
                parts.word(&uids.written());
                parts.string(mailbox.wire());
            }
            Command::UidExpunge(uids) => parts.word(&format!("UID EXPUNGE {}", uids.written())),
            Command::ListMailboxes(pattern) => {
                parts.word("LIST \"\"");
                parts.string(pattern.wire());
            }
            Command::ListSpecialUse => parts.word("LIST (SPECIAL-USE) \"\" \"*\""),
            Command::Status(mailbox) => {
                parts.word("STATUS");
                parts.string(mailbox.wire());
                parts.word("(UIDNEXT UIDVALIDITY)");
            }
            Command::Count(mailbox, measured) => {
                parts.word("STATUS");
                parts.string(mailbox.wire());
                parts.word(match measured {
                    Measured::Mails => "(MESSAGES UIDNEXT UIDVALIDITY)",
                    Measured::Bytes => "(MESSAGES UIDNEXT UIDVALIDITY SIZE)",
                });
            }
            Command::List(first, last) => parts.word(&format!("UID FETCH {first}:{last} (UID RFC822.SIZE)")),
            Command::LastUid => parts.word("UID FETCH * (UID)"),
            Command::Describe(uids) => {
                let mails = if uids.is_empty() {
                    "*".to_owned()
                } else {
                    uids.written()
                };
                parts.word(&format!("UID FETCH {mails} (UID RFC822.SIZE INTERNALDATE)"));
            }
            // Attributes before the body, so that nearly every server says the UID first.
            Command::Fetch(uids) => parts.word(&format!("UID FETCH {} (UID INTERNALDATE BODY.PEEK[])", uids.written())),
            Command::SearchRange(first, last) => parts.word(&format!("UID SEARCH UID {first}:{last}")),
            Command::Search(uids) => parts.word(&format!("UID SEARCH UID {}", uids.written())),
            Command::Capability
            | Command::StartTls
            | Command::Compress
            | Command::Noop
            | Command::Idle
            | Command::Logout => {
                parts.word(self.name());
            }
        }
        parts.finish()
    }
}

/// A command as it is put together. Holds the password, so it has no Debug.
struct Parts {
    done: Vec<Vec<u8>>,
    current: Vec<u8>,
}

impl Parts {
    fn new(tag: &str) -> Parts {
        Parts {
            done: Vec::new(),
            current: tag.as_bytes().to_vec(),
        }
    }

    /// Words of ours: no line ends in them.
    fn word(&mut self, word: &str) {
        self.current.push(b' ');
        self.current.extend_from_slice(word.as_bytes());
    }

    /// A string of somebody else's: quoted, or as a literal what cannot be quoted (CR, LF, NUL, 8-bit).
    fn string(&mut self, string: &[u8]) {
        self.current.push(b' ');
        if string.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            self.current.push(b'"');
            for byte in string {
                if matches!(byte, b'"' | b'\\') {
                    self.current.push(b'\\');
                }
                self.current.push(*byte);
            }
            self.current.push(b'"');
        } else {
            self.current
                .extend_from_slice(format!("{{{}}}", string.len()).as_bytes());
            self.end_part();
            self.current.extend_from_slice(string);
        }
    }

    fn end_part(&mut self) {
        self.current.extend_from_slice(b"\r\n");
        self.done.push(std::mem::take(&mut self.current));
    }

    fn finish(mut self) -> Secret<Vec<Vec<u8>>> {
        self.end_part();
        Secret::new(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Measured};
    use crate::imap::mailbox_name::MailboxName;
    use crate::imap::uid::UidSet;
    use crate::secret::Secret;

    fn parts(command: &Command) -> Vec<String> {
        let parts = command.parts("A1");
        parts
            .expose()
            .iter()
            .map(|part| String::from_utf8(part.clone()).unwrap())
            .collect()
    }

    fn login(username: &str, password: &str) -> Command {
        Command::Login {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        }
    }

    #[test]
    fn commands_are_written_as_the_rfc_has_them() {
        let uids: UidSet = [1, 2, 3, 7].into_iter().collect();
        for (command, expected) in [
            (Command::Capability, "A1 CAPABILITY\r\n"),
            (Command::Noop, "A1 NOOP\r\n"),
            (Command::Idle, "A1 IDLE\r\n"),
            (Command::Logout, "A1 LOGOUT\r\n"),
            (
                Command::Examine(MailboxName::new("Entwürfe")),
                "A1 EXAMINE \"Entw&APw-rfe\"\r\n",
            ),
            (
                Command::Status(MailboxName::new("a\"\\b")),
                "A1 STATUS \"a\\\"\\\\b\" (UIDNEXT UIDVALIDITY)\r\n",
            ),
            (
                Command::Count(MailboxName::new("a"), Measured::Mails),
                "A1 STATUS \"a\" (MESSAGES UIDNEXT UIDVALIDITY)\r\n",
            ),
            (
                Command::Count(MailboxName::new("a"), Measured::Bytes),
                "A1 STATUS \"a\" (MESSAGES UIDNEXT UIDVALIDITY SIZE)\r\n",
            ),
            (
                Command::ListMailboxes(MailboxName::new("Büro/%")),
                "A1 LIST \"\" \"B&APw-ro/%\"\r\n",
            ),
            (
                Command::ListMailboxes(MailboxName::from_wire(b"B\"ro")),
                "A1 LIST \"\" \"B\\\"ro\"\r\n",
            ),
            (Command::ListSpecialUse, "A1 LIST (SPECIAL-USE) \"\" \"*\"\r\n"),
            (Command::List(1, 100), "A1 UID FETCH 1:100 (UID RFC822.SIZE)\r\n"),
            (Command::LastUid, "A1 UID FETCH * (UID)\r\n"),
            (
                Command::Describe(UidSet::new()),
                "A1 UID FETCH * (UID RFC822.SIZE INTERNALDATE)\r\n",
            ),
            (
                Command::Describe(uids.clone()),
                "A1 UID FETCH 1:3,7 (UID RFC822.SIZE INTERNALDATE)\r\n",
            ),
            (
                Command::Fetch(uids.clone()),
                "A1 UID FETCH 1:3,7 (UID INTERNALDATE BODY.PEEK[])\r\n",
            ),
            (Command::Select(MailboxName::new("INBOX")), "A1 SELECT \"INBOX\"\r\n"),
            (
                Command::Store(uids.clone(), "\\Seen".to_owned()),
                "A1 UID STORE 1:3,7 +FLAGS.SILENT (\\Seen)\r\n",
            ),
            (
                Command::Copy(uids.clone(), MailboxName::new("Büro")),
                "A1 UID COPY 1:3,7 \"B&APw-ro\"\r\n",
            ),
            (
                Command::Move(uids.clone(), MailboxName::new("a b")),
                "A1 UID MOVE 1:3,7 \"a b\"\r\n",
            ),
            (Command::UidExpunge(uids.clone()), "A1 UID EXPUNGE 1:3,7\r\n"),
            (Command::SearchRange(7, 9), "A1 UID SEARCH UID 7:9\r\n"),
            (Command::Search(uids), "A1 UID SEARCH UID 1:3,7\r\n"),
            (login("u1", "p \"w\""), "A1 LOGIN \"u1\" \"p \\\"w\\\"\"\r\n"),
        ] {
            assert_eq!(parts(&command), [expected]);
        }
    }

    #[test]
    fn a_first_message_goes_with_the_command_or_waits_to_be_asked() {
        let authenticate = |first: Option<&str>| Command::Authenticate {
            mechanism: "PLAIN",
            first: first.map(|first| Secret::new(first.to_owned())),
        };
        assert_eq!(
            parts(&authenticate(Some("AEt1cnQAeGlwajNwbG1x"))),
            ["A1 AUTHENTICATE PLAIN AEt1cnQAeGlwajNwbG1x\r\n"]
        );
        assert_eq!(parts(&authenticate(None)), ["A1 AUTHENTICATE PLAIN\r\n"]);
    }

    #[test]
    fn nothing_in_a_name_or_password_can_end_a_line_and_begin_a_command() {
        let hostile = "x\r\nA9 DELETE INBOX\r\n\0\u{e9}\"";
        for command in [
            Command::Examine(MailboxName::new(hostile)),
            Command::Status(MailboxName::new(hostile)),
        ] {
            let parts = parts(&command);
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].matches(['\r', '\n', '\0']).count(), 2, "{parts:?}");
            assert!(parts[0].is_ascii());
        }
        // As a literal, it is counted: the server cannot take it for a line.
        assert_eq!(
            parts(&login("a\r\nb", "é")),
            ["A1 LOGIN {4}\r\n", "a\r\nb {2}\r\n", "é\r\n"]
        );
    }

    #[test]
    fn a_password_is_never_printed() {
        let command = login("u1", "hunter2");
        assert!(!format!("{command:?} {:?}", command.parts("A1")).contains("hunter2"));
    }
}
