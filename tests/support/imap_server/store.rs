//! What writes to a mailbox, by UID only: UID STORE and UID COPY (RFC 3501), UID MOVE (RFC 6851), UID EXPUNGE (RFC 4315).
//! Strict: each needs a mailbox that was opened by SELECT, and the extension that it is from.

use super::command::Command;
use super::session::{Next, Session};
use super::{Fault, State};

impl Session<'_> {
    pub(super) fn write(&mut self, command: &Command) -> Next {
        let extension = match command.name.as_str() {
            "UID MOVE" => Some("MOVE"),
            "UID EXPUNGE" => Some("UIDPLUS"),
            _ => None,
        };
        let offered = extension.is_none_or(|extension| self.extensions().contains(&extension));
        let connection = self.connection;
        let writable = self
            .state
            .change(|state| state.view(connection).is_some_and(|view| view.writable));
        if !offered || !writable {
            let wrong = if offered { "not selected" } else { "not offered" };
            let line = format!("{wrong}: {}", command.line);
            self.state.change(|state| state.record.violations.push(line));
            return self.done(command, "BAD not understood here");
        }
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        let answer = self.state.change(|state| {
            let set = arguments.first()?;
            let view = state.view(connection)?.uids.clone();
            let mut uids: Vec<u32> = state
                .opened(connection)?
                .select(set)?
                .iter()
                .map(|mail| mail.uid)
                .collect();
            uids.retain(|uid| view.binary_search(uid).is_ok());
            let is_refused = |fault: &Fault| match fault {
                Fault::NoOnStore { uid } => uids.contains(uid),
                Fault::NoOnStoreOfSeveral => uids.len() > 1,
                _ => false,
            };
            let refused = |fault: &Fault| is_refused(fault).then_some(());
            if command.name != "UID EXPUNGE" && state.strike(false, refused).is_some() {
                return Some("NO not that one");
            }
            let name = state.view(connection)?.mailbox.clone();
            match (command.name.as_str(), &arguments[1..]) {
                ("UID STORE", ["+FLAGS.SILENT", flags]) => {
                    let flag = flags.strip_prefix('(')?.strip_suffix(')')?;
                    let one_word = !flag.is_empty() && !flag.contains([' ', '(', ')']);
                    let mailbox = state.mailbox(&name).filter(|_| one_word)?;
                    mailbox.flag(&uids, flag);
                }
                ("UID EXPUNGE", []) => state.remove(&name, &uids, true),
                (verb @ ("UID COPY" | "UID MOVE"), [destination]) => {
                    if !state.copy(&name, &uids, destination) {
                        return Some("NO [TRYCREATE] no such mailbox");
                    }
                    if verb == "UID MOVE" {
                        state.remove(&name, &uids, false);
                    }
                }
                _ => return None,
            }
            state.tell_idlers();
            Some("OK completed")
        });
        self.news();
        self.done(command, answer.unwrap_or("BAD arguments that are not understood here"))
    }
}

impl State {
    /// Into a mailbox that is there; says whether it is.
    fn copy(&mut self, from: &str, uids: &[u32], to: &str) -> bool {
        let set: Vec<String> = uids.iter().map(u32::to_string).collect();
        let mails = self.mailbox(from).and_then(|mailbox| mailbox.select(&set.join(",")));
        let Some(to) = self.mailbox(to) else { return false };
        for mail in mails.unwrap_or_default() {
            to.append(&mail.bytes);
        }
        true
    }

    fn remove(&mut self, from: &str, uids: &[u32], only_marked: bool) {
        let Some(mailbox) = self.mailbox(from) else { return };
        for uid in uids {
            let marked = mailbox.flags(*uid).iter().any(|flag| flag == "\\Deleted");
            if marked || !only_marked {
                mailbox.remove(*uid);
            }
        }
    }
}
