//! One connection's conversation (RFC 3501): greeting, commands in order, answers.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Watched;
use super::super::wire::Connection;
use super::command::{Command, Reader};
use super::{Access, Fault, State, TlsBegins, USER, View};

/// What a client may not send if it only reads, and the commands of these that it may send if it may write.
const WRITES: [&str; 14] = [
    "SELECT",
    "CREATE",
    "DELETE",
    "RENAME",
    "APPEND",
    "EXPUNGE",
    "CLOSE",
    "STORE",
    "UID STORE",
    "UID EXPUNGE",
    "COPY",
    "MOVE",
    "UID COPY",
    "UID MOVE",
];
const BY_UID: [&str; 5] = ["SELECT", "UID STORE", "UID COPY", "UID MOVE", "UID EXPUNGE"];

/// Talks until either side ends it.
pub(super) fn serve(connection: &Arc<Connection>, state: &Arc<Watched<State>>) {
    let mut session = Session {
        reader: Reader::new(connection),
        connection,
        state,
        authenticated: false,
        may_log_in: state.look(|state| state.settings.tls == TlsBegins::AtOnce),
        introduced: false,
        tags: HashSet::new(),
        bodies: 0,
        out: Vec::new(),
    };
    // A client that goes away ends the session, nothing else.
    let _ = session.run();
    connection.close();
    let authenticated = usize::from(session.authenticated);
    state.change(|state| {
        state.logged_in -= authenticated;
        state.views.retain(|view| !Arc::ptr_eq(&view.connection, connection));
        state.record.idling = state.views.iter().filter(|view| view.idle).count();
    });
}

pub(super) struct Session<'a> {
    pub(super) reader: Reader,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) state: &'a Arc<Watched<State>>,
    authenticated: bool,
    may_log_in: bool,
    /// It has sent ID since its login.
    introduced: bool,
    tags: HashSet<String>,
    /// Bodies sent so far.
    pub(super) bodies: usize,
    pub(super) out: Vec<u8>,
}

/// Whether the conversation goes on.
pub(super) type Next = io::Result<bool>;

impl Session<'_> {
    fn run(&mut self) -> io::Result<()> {
        let (hangs, bye) = self.state.change(|state| {
            state.record.connections += 1;
            (state.has(&Fault::BannerHangs), state.has(&Fault::ByeAsGreeting))
        });
        if hangs {
            while self.reader.line()?.is_some() {}
            return Ok(());
        }
        if bye {
            return self.connection.write_all(b"* BYE come back later\r\n");
        }
        self.connection.write_all(b"* OK test server ready\r\n")?;
        while let Some(command) = self.reader.command()? {
            self.note(&command);
            let goes_on = self.answer(&command)?;
            self.flush()?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Puts the command into the record, with what is wrong about it.
    fn note(&mut self, command: &Command) {
        let mut wrong = Vec::new();
        if !self.tags.insert(command.tag.clone()) {
            wrong.push("a tag used twice");
        }
        if command.line.len() > 8000 {
            wrong.push("a command line over 8,000 bytes");
        }
        if command.bare_line_feed {
            wrong.push("a bare LF");
        }
        let may_write = self.state.look(|state| state.settings.access == Access::Writes);
        let name = command.name.as_str();
        if WRITES.contains(&name) && !(may_write && BY_UID.contains(&name)) {
            wrong.push("not read-only");
        }
        if command.name.ends_with("FETCH") && command.line.contains(" BODY[") | command.line.contains("(BODY[") {
            wrong.push("a body without PEEK");
        }
        self.state.change(|state| {
            for wrong in wrong {
                let line: String = command.line.chars().take(200).collect();
                state.record.violations.push(format!("{wrong}: {line}"));
            }
            state.record.commands.push(command.line.clone());
        });
    }

    fn answer(&mut self, command: &Command) -> Next {
        let bye = self.state.change(|state| {
            state.strike(true, |fault| match fault {
                Fault::ByeOn(name) if command.line.to_ascii_uppercase().starts_with(name) => Some(()),
                _ => None,
            })
        });
        if bye.is_some() {
            self.say("* BYE the server is going down");
            return Ok(false);
        }
        let said = self.state.change(|state| {
            state.strike(false, |fault| match fault {
                Fault::Says { to, line } if command.line.to_ascii_uppercase().starts_with(to) => Some(*line),
                _ => None,
            })
        });
        if let Some(line) = said {
            if line.starts_with("* ") {
                self.say(line);
                return Ok(false);
            }
            return self.done(command, line);
        }
        if self.state.look(|state| state.has(&Fault::EndlessNews)) {
            let mails = self
                .state
                .look(|state| state.opened(self.connection).map_or(0, |mailbox| mailbox.uids().len()));
            self.say(&format!("* {} EXISTS", mails + self.tags.len() % 2));
        }
        let examined = self.state.change(|state| state.view(self.connection).is_some());
        match command.name.as_str() {
            "CAPABILITY" => self.capability(command),
            "NOOP" => {
                self.news();
                self.done(command, "OK NOOP completed")
            }
            "ID" => {
                self.introduced = self.authenticated;
                self.state
                    .change(|state| state.record.id = command.arguments.first().cloned());
                self.say("* ID (\"name\" \"in-process\")");
                self.done(command, "OK ID completed")
            }
            "LOGOUT" => {
                self.say("* BYE logging out");
                self.done(command, "OK LOGOUT completed")?;
                Ok(false)
            }
            "STARTTLS" if !self.may_log_in => {
                self.done(command, "OK begin TLS")?;
                self.flush()?;
                let config = self.state.look(|state| state.tls.clone()).unwrap();
                self.connection.start_tls(&config)?;
                self.may_log_in = true;
                Ok(true)
            }
            "LOGIN" | "AUTHENTICATE" if !self.may_log_in => {
                let wrong = format!("a login in clear: {}", command.name);
                self.state.change(|state| state.record.violations.push(wrong));
                self.done(command, "NO [PRIVACYREQUIRED] not in clear")
            }
            "COMPRESS" if self.authenticated && self.extensions().contains(&"COMPRESS=DEFLATE") => {
                self.done(command, "OK DEFLATE active")?;
                self.flush()?;
                self.connection.compress();
                Ok(true)
            }
            "LOGIN" if !self.authenticated => {
                let user = command.arguments.first().cloned().unwrap_or_default();
                let password = command.arguments.get(1).cloned().unwrap_or_default();
                self.log_in(command, &user, &password)
            }
            "AUTHENTICATE" if !self.authenticated => self.authenticate(command),
            "LIST" if self.authenticated => self.list(command),
            "STATUS" if self.authenticated => self.status(command),
            "EXAMINE" | "SELECT" if self.authenticated => self.examine(command),
            "UID FETCH" if examined => self.fetch(command),
            "UID SEARCH" if examined => self.search(command),
            "UID STORE" | "UID COPY" | "UID MOVE" | "UID EXPUNGE" if examined => self.write(command),
            "IDLE" if examined && !self.state.look(|state| state.has(&Fault::NoIdle)) => self.idle(command),
            _ => self.done(command, "BAD not understood here"),
        }
    }

    pub(super) fn extensions(&self) -> Vec<&'static str> {
        self.state.look(|state| state.settings.extensions.clone())
    }

    fn capability(&mut self, command: &Command) -> Next {
        let idle = !self.state.look(|state| state.has(&Fault::NoIdle));
        let settings = self.state.look(|state| state.settings.clone());
        let mut line = "* CAPABILITY IMAP4rev1 ID LITERAL+".to_owned();
        for (offered, name) in [
            (settings.sasl_ir, " SASL-IR"),
            (settings.auth_plain, " AUTH=PLAIN"),
            (settings.auth_xoauth2, " AUTH=XOAUTH2"),
        ] {
            if offered {
                line.push_str(name);
            }
        }
        if !self.state.look(|state| state.has(&Fault::NoSpecialUse)) {
            line.push_str(" SPECIAL-USE");
        }
        // As many servers do, the best is told only to those who logged in.
        if self.authenticated && idle {
            line.push_str(" IDLE");
        }
        if self.authenticated {
            for extension in self.extensions() {
                line.extend([" ", extension]);
            }
        }
        if !self.may_log_in {
            line.push_str(" STARTTLS LOGINDISABLED");
        }
        self.say(&line);
        self.done(command, "OK CAPABILITY completed")
    }

    /// RFC 4616, or XOAUTH2, with or without the initial response of RFC 4959.
    fn authenticate(&mut self, command: &Command) -> Next {
        let settings = self.state.look(|state| state.settings.clone());
        let mechanism = command.arguments.first().map(|name| name.to_ascii_uppercase());
        let plain = match mechanism.as_deref() {
            Some("PLAIN") if settings.auth_plain => true,
            Some("XOAUTH2") if settings.auth_xoauth2 => false,
            _ => return self.done(command, "NO no such mechanism"),
        };
        let response = match command.arguments.get(1) {
            Some(response) if settings.sasl_ir => response.clone(),
            Some(_) => return self.done(command, "BAD an initial response was not offered"),
            None => match self.ask("")? {
                Some(line) => line,
                None => return Ok(false),
            },
        };
        let decoded = STANDARD.decode(response).unwrap_or_default();
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        if !plain {
            return self.authenticate_by_token(command, &decoded);
        }
        match decoded.split('\0').collect::<Vec<_>>().as_slice() {
            ["", user, password] => self.log_in(command, user, password),
            _ => self.done(command, "BAD not a PLAIN response"),
        }
    }

    /// Google's XOAUTH2: what is wrong with a token is said in a challenge, then refused.
    fn authenticate_by_token(&mut self, command: &Command, message: &str) -> Next {
        let parts = message
            .strip_prefix("user=")
            .and_then(|message| message.strip_suffix("\x01\x01"))
            .and_then(|message| message.split_once("\x01auth=Bearer "));
        let Some((user, token)) = parts else {
            return self.done(command, "BAD not an XOAUTH2 message");
        };
        if self.state.look(|state| token != state.password) {
            match self.ask(&STANDARD.encode(r#"{"status":"400","schemes":"Bearer"}"#))? {
                Some(line) if line.is_empty() => (),
                Some(_) => return self.done(command, "BAD not an empty line"),
                None => return Ok(false),
            }
        }
        self.log_in(command, user, token)
    }

    /// The line that answers a challenge; `None` when the client has gone.
    fn ask(&mut self, challenge: &str) -> io::Result<Option<String>> {
        self.connection.write_all(format!("+ {challenge}\r\n").as_bytes())?;
        let line = self.reader.line()?;
        Ok(line.map(|line| String::from_utf8_lossy(line.trim_ascii_end()).into_owned()))
    }

    fn log_in(&mut self, command: &Command, user: &str, password: &str) -> Next {
        let (unavailable, right) = self.state.look(|state| {
            (
                state.has(&Fault::LoginUnavailable),
                user == USER && password == state.password,
            )
        });
        if unavailable {
            return self.done(command, "NO [UNAVAILABLE] the user database is away");
        }
        if !right {
            return self.done(command, "NO [AUTHENTICATIONFAILED] invalid credentials");
        }
        self.authenticated = true;
        self.state.change(|state| {
            state.logged_in += 1;
            state.record.most_logged_in = state.record.most_logged_in.max(state.logged_in);
        });
        self.done(command, "OK logged in")
    }

    /// RFC 3501, section 6.3.8, and the selection of RFC 6154.
    fn list(&mut self, command: &Command) -> Next {
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        let (special, pattern) = match arguments.as_slice() {
            ["", pattern] => (false, *pattern),
            ["(SPECIAL-USE)", "", pattern]
                if !self
                    .state
                    .look(|state| state.has(&Fault::NoSpecialUse) || state.has(&Fault::SpecialUseIsBad)) =>
            {
                (true, *pattern)
            }
            _ => return self.done(command, "BAD not understood here"),
        };
        if pattern.is_empty() {
            self.say("* LIST (\\Noselect) \"/\" \"\"");
        }
        let listed = self.state.look(|state| {
            let mailboxes = state.mailboxes.iter().filter(|mailbox| {
                let has_use = ["\\All", "\\Archive", "\\Sent"]
                    .iter()
                    .any(|name| mailbox.attributes.contains(name));
                matches(pattern.as_bytes(), mailbox.name.as_bytes()) && (has_use || !special)
            });
            mailboxes
                .map(|mailbox| format!("* LIST ({}) \"/\" \"{}\"", mailbox.attributes, mailbox.name))
                .collect::<Vec<_>>()
        });
        for line in listed {
            self.say(&line);
        }
        self.done(command, "OK LIST completed")
    }

    fn status(&mut self, command: &Command) -> Next {
        let asked = command.arguments.get(1).cloned().unwrap_or_default();
        let answer = self.state.change(|state| {
            let mailbox = state.mailbox(command.arguments.first()?)?;
            let mut items = Vec::new();
            for item in asked.trim_matches(['(', ')']).split(' ') {
                let value = match item {
                    "MESSAGES" => mailbox.uids().len().try_into().unwrap(),
                    "UIDNEXT" => mailbox.uid_next,
                    "UIDVALIDITY" => mailbox.uid_validity,
                    "RECENT" | "UNSEEN" => 0,
                    _ => return None,
                };
                items.push(format!("{item} {value}"));
            }
            Some(format!("* STATUS \"{}\" ({})", mailbox.name, items.join(" ")))
        });
        match answer {
            Some(line) => {
                self.say(&line);
                self.done(command, "OK STATUS completed")
            }
            None => self.done(command, "NO [NONEXISTENT] no such mailbox or item"),
        }
    }

    fn examine(&mut self, command: &Command) -> Next {
        if !self.introduced && self.state.look(|state| state.has(&Fault::UnsafeLogin)) {
            return self.done(command, "NO Unsafe Login. Please contact kefu@example.com for help");
        }
        let connection = self.connection;
        let read_only = command.name == "EXAMINE" || self.state.look(|state| state.has(&Fault::ReadOnly));
        let access = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        let lines = self.state.change(|state| {
            state.views.retain(|view| !Arc::ptr_eq(&view.connection, connection));
            let always_new = state.has(&Fault::UidValidityAlwaysNew);
            let mailbox = state.mailbox(command.arguments.first()?)?;
            mailbox.uid_validity += u32::from(always_new);
            let (uids, uid_validity, uid_next) = (mailbox.uids(), mailbox.uid_validity, mailbox.uid_next);
            let name = mailbox.name.clone();
            let mut lines = vec![
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)".to_owned(),
                "* OK [PERMANENTFLAGS ()] none".to_owned(),
                format!("* {} EXISTS", uids.len()),
                "* 0 RECENT".to_owned(),
                format!("* OK [UIDVALIDITY {uid_validity}] UIDs are valid"),
            ];
            if !state.has(&Fault::UidNextMissing) {
                let told = state.faults.iter().find_map(|fault| match fault {
                    Fault::UidNextIs(told) => Some(*told),
                    _ => None,
                });
                let uid_next = told.unwrap_or(uid_next);
                lines.push(format!("* OK [UIDNEXT {uid_next}] next"));
            }
            state.views.push(View {
                connection: Arc::clone(connection),
                mailbox: name,
                uids,
                idle: false,
                writable: access == "READ-WRITE",
            });
            Some(lines)
        });
        let Some(lines) = lines else {
            return self.done(command, "NO [NONEXISTENT] no such mailbox");
        };
        for line in lines {
            self.say(&line);
        }
        self.done(command, &format!("OK [{access}] {} completed", command.name))
    }

    fn search(&mut self, command: &Command) -> Next {
        let connection = self.connection;
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        let found = self.state.change(|state| {
            let view = state.view(connection).map(|view| view.uids.clone()).unwrap_or_default();
            let mut uids = view;
            let mut rest = arguments.as_slice();
            while let [key, others @ ..] = rest {
                let (these, after) = match (*key, others) {
                    ("ALL", after) => (state.opened(connection)?.uids(), after),
                    ("UID", [set, after @ ..]) => {
                        let mails = state.opened(connection)?.select(set)?;
                        (mails.iter().map(|mail| mail.uid).collect(), after)
                    }
                    ("SINCE", [date, after @ ..]) => (state.opened(connection)?.since(date)?, after),
                    _ => return None,
                };
                uids.retain(|uid| these.contains(uid));
                rest = after;
            }
            uids.retain(|uid| !state.has(&Fault::BodyNil { uid: *uid }));
            Some(uids)
        });
        let Some(uids) = found else {
            return self.done(command, "BAD a key that is not known here");
        };
        let numbers: Vec<String> = uids.iter().map(u32::to_string).collect();
        self.say(format!("* SEARCH {}", numbers.join(" ")).trim_end());
        self.done(command, "OK SEARCH completed")
    }

    /// RFC 2177. While the session is idle, whoever changes the mailbox writes the news (`State::tell_idlers`).
    fn idle(&mut self, command: &Command) -> Next {
        self.flush()?;
        self.connection.write_all(b"+ idling\r\n")?;
        self.set_idle(true);
        let line = self.reader.line()?;
        self.set_idle(false);
        match line {
            Some(line) if line.trim_ascii_end().eq_ignore_ascii_case(b"DONE") => {
                self.done(command, "OK IDLE terminated")
            }
            Some(_) => {
                self.state
                    .change(|state| state.record.violations.push("IDLE ended without DONE".to_owned()));
                self.done(command, "BAD DONE was expected")
            }
            None => Ok(false),
        }
    }

    fn set_idle(&mut self, idle: bool) {
        let connection = self.connection;
        self.state.change(|state| {
            if let Some(view) = state.view(connection) {
                view.idle = idle;
            }
            state.record.idling = state.views.iter().filter(|view| view.idle).count();
            // What came between EXAMINE and IDLE must not wait for the next mail.
            state.tell_idlers_where(|view| Arc::ptr_eq(&view.connection, connection));
        });
    }

    /// Queues what changed in the mailbox since this session was last told.
    pub(super) fn news(&mut self) {
        let connection = self.connection;
        let news = self.state.change(|state| {
            let State { views, mailboxes, .. } = state;
            let view = views
                .iter_mut()
                .find(|view| Arc::ptr_eq(&view.connection, connection))?;
            let mailbox = mailboxes.iter().find(|mailbox| mailbox.name == view.mailbox)?;
            Some(view.news(mailbox))
        });
        self.out.extend_from_slice(news.unwrap_or_default().as_bytes());
    }

    pub(super) fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    pub(super) fn done(&mut self, command: &Command, text: &str) -> Next {
        self.say(&format!("{} {text}", command.tag));
        self.flush()?;
        Ok(true)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.connection.write_all(&std::mem::take(&mut self.out))
    }
}

/// `*` is anything, `%` anything but the delimiter.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [first @ (b'*' | b'%'), rest @ ..] => (0..=name.len())
            .take_while(|end| *first == b'*' || !name[..*end].contains(&b'/'))
            .any(|end| matches(rest, &name[end..])),
        [first, rest @ ..] => name.strip_prefix(&[*first]).is_some_and(|name| matches(rest, name)),
    }
}
