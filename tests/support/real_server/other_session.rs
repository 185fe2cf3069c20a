//! The session of somebody else in the same mailbox, in clear text: it delivers, expunges, deletes and creates.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

/// A refusal of anything is a panic.
pub struct OtherSession {
    stream: BufReader<TcpStream>,
}

impl OtherSession {
    pub fn log_in(port: u16, user: &str, password: &str) -> OtherSession {
        let mut session = OtherSession::open(port);
        session.command(&format!("LOGIN {user} {password}"));
        session
    }

    /// Not logged in.
    pub fn open(port: u16) -> OtherSession {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let mut session = OtherSession {
            stream: BufReader::new(stream),
        };
        session.line();
        session
    }

    /// Runs a command and returns the untagged lines.
    pub fn command(&mut self, command: &str) -> Vec<String> {
        self.write(format!("x {command}\r\n").as_bytes());
        self.until_tagged(command)
    }

    /// Delivers a mail, whose lines end in CRLF.
    pub fn append(&mut self, mailbox: &str, mail: &[u8]) {
        let command = format!("APPEND {mailbox} {{{}}}", mail.len());
        self.write(format!("x {command}\r\n").as_bytes());
        while !self.line().starts_with('+') {}
        self.write(mail);
        self.write(b"\r\n");
        self.until_tagged(&command);
    }

    /// Removes mails for good.
    pub fn expunge(&mut self, mailbox: &str, uids: &str) {
        self.command(&format!("SELECT {mailbox}"));
        self.command(&format!("UID STORE {uids} +FLAGS.SILENT (\\Deleted)"));
        self.command("EXPUNGE");
    }

    /// How many mails of a mailbox match.
    pub fn search(&mut self, mailbox: &str, criteria: &str) -> usize {
        self.command(&format!("EXAMINE {mailbox}"));
        let lines = self.command(&format!("SEARCH {criteria}"));
        let found = lines.iter().find_map(|line| line.strip_prefix("* SEARCH")).unwrap();
        found.split_whitespace().count()
    }

    /// Creates a mailbox that was deleted, with another UIDVALIDITY than it had. Some servers take the second of the day;
    /// within one, it would pass for the old one.
    pub fn create_anew(&mut self, mailbox: &str, before: &str) {
        self.command(&format!("CREATE {mailbox}"));
        while self.uid_validity(mailbox) == before {
            self.command(&format!("DELETE {mailbox}"));
            self.command(&format!("CREATE {mailbox}"));
        }
    }

    /// STATUS about it, as the server words it.
    pub fn uid_validity(&mut self, mailbox: &str) -> String {
        self.command(&format!("STATUS {mailbox} (UIDVALIDITY)")).concat()
    }

    fn until_tagged(&mut self, command: &str) -> Vec<String> {
        let mut untagged = Vec::new();
        loop {
            let line = self.line();
            if line.starts_with("x ") {
                assert!(line.starts_with("x OK"), "{command}: {line}");
                return untagged;
            }
            untagged.push(line);
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).unwrap();
        assert!(length > 0, "the server closed the connection");
        line.trim_end().to_owned()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }
}
