//! UID FETCH, and everything that can go wrong with it.

use super::Fault;
use super::command::Command;
use super::mailbox::Mail;
use super::session::{Next, Session};

/// Responses leave in pieces of about this many bytes.
const PIECE: usize = 64 * 1024;
/// More than 32 bits can count.
const FOUR_GIB: i64 = 1 << 32;

impl Session<'_> {
    pub(super) fn fetch(&mut self, command: &Command) -> Next {
        let [set, asked] = command.arguments.as_slice() else {
            return self.done(command, "BAD a set and one list of items");
        };
        let items: Vec<&str> = asked.trim_matches(['(', ')']).split(' ').collect();
        let known = |item: &&str| {
            matches!(
                *item,
                "UID" | "FLAGS" | "INTERNALDATE" | "RFC822.SIZE" | "BODY.PEEK[]" | "BODY[]"
            )
        };
        if !items.iter().all(known) {
            return self.done(command, "BAD an item that is not known here");
        }
        let connection = self.connection;
        let chosen = self.state.change(|state| {
            let view = state.view(connection).map(|view| view.uids.clone()).unwrap_or_default();
            let mut mails = state.opened(connection)?.select(set)?;
            mails.retain(|mail| view.binary_search(&mail.uid).is_ok());
            let bodies = items.iter().any(|item| item.starts_with("BODY"));
            let refused = state.strike(false, |fault| match fault {
                Fault::NoOnFetch { uid } if bodies => mails.iter().any(|mail| mail.uid == *uid).then_some(()),
                Fault::NoBodies if bodies => Some(()),
                Fault::NoOnListing if !bodies => Some(()),
                _ => None,
            });
            let refused =
                refused.or_else(|| state.strike(true, |fault| (bodies && *fault == Fault::NoBodiesOnce).then_some(())));
            if refused.is_some() {
                return Some(Err(()));
            }
            let forgotten = state.strike(true, |fault| match fault {
                Fault::Forgets { uid } if bodies => mails.iter().any(|mail| mail.uid == *uid).then_some(*uid),
                _ => None,
            });
            mails.retain(|mail| Some(mail.uid) != forgotten);
            mails.retain(|mail| bodies || !state.has(&Fault::LeavesOut { uid: mail.uid }));
            if state.has(&Fault::LastFirst) {
                mails.reverse();
            }
            let numbered = mails.into_iter().map(|mail| {
                let number = view.binary_search(&mail.uid).map_or(0, |position| position + 1);
                (number, mail)
            });
            Some(Ok((numbered.collect::<Vec<_>>(), state.faults.clone())))
        });
        match chosen {
            None => self.done(command, "BAD that is not a set"),
            Some(Err(())) => self.done(command, "NO some of it cannot be read"),
            Some(Ok((mails, faults))) => {
                for (number, mail) in mails {
                    if faults.contains(&Fault::UnsolicitedData) {
                        self.say("* OK your quota is {5}");
                        self.say("* 1 FETCH (FLAGS (\\Seen))");
                        self.say(&format!("* {number} FETCH (UID {} FLAGS (\\Flagged))", mail.uid));
                        self.say("* 0 RECENT");
                    }
                    for _ in 0..=usize::from(faults.contains(&Fault::GivesTwice)) {
                        if !self.fetched(number, &mail, &items, &faults)? {
                            return Ok(false);
                        }
                    }
                }
                self.news();
                self.done(command, "OK FETCH completed")
            }
        }
    }

    /// One FETCH response; false when the connection has to end in the middle of it.
    fn fetched(&mut self, number: usize, mail: &Mail, items: &[&str], faults: &[Fault]) -> Next {
        // UID FETCH answers with the UID whether asked or not (RFC 3501, section 6.4.8).
        let mut order: Vec<&str> = items.iter().copied().filter(|item| *item != "UID").collect();
        if faults.contains(&Fault::ItemsInAnotherOrder) {
            order.sort_by_key(|item| !item.starts_with("BODY"));
            order.push("UID");
        } else {
            order.insert(0, "UID");
        }
        self.out.extend_from_slice(format!("* {number} FETCH (").as_bytes());
        let badly = faults.contains(&Fault::MeasuresBadly) && !items.iter().any(|item| item.starts_with("BODY"));
        for (position, item) in order.iter().enumerate() {
            if position > 0 {
                self.out.push(b' ');
            }
            let text = match *item {
                "UID" => format!("UID {}", mail.uid),
                "FLAGS" => format!("FLAGS ({})", mail.flags.join(" ")),
                "INTERNALDATE" if badly => "INTERNALDATE \" 1-Dec-2023 00:00:00 +0000\"".to_owned(),
                "RFC822.SIZE" if badly => format!("RFC822.SIZE {}", mail.bytes.len() + 1),
                "INTERNALDATE" => format!("INTERNALDATE \"{}\"", mail.internal_date()),
                "RFC822.SIZE" => format!("RFC822.SIZE {}", mail.bytes.len()),
                _ if faults.contains(&Fault::BodyNil { uid: mail.uid }) => "BODY[] NIL".to_owned(),
                _ => {
                    if !self.body(mail)? {
                        return Ok(false);
                    }
                    continue;
                }
            };
            self.out.extend_from_slice(text.as_bytes());
        }
        self.say(")");
        if self.out.len() >= PIECE {
            self.flush()?;
        }
        Ok(true)
    }

    fn body(&mut self, mail: &Mail) -> Next {
        self.bodies += 1;
        let sent = self.bodies;
        let cut = self.state.change(|state| {
            state.record.bodies.push(mail.uid);
            let uid = mail.uid;
            if state.has(&Fault::EndsAt { uid }) || state.has(&Fault::HangsAt { uid }) {
                return Some(1);
            }
            if state.has(&Fault::EndsAfter { bodies: sent - 1 }) {
                return Some(0);
            }
            let position = state
                .faults
                .iter()
                .position(|fault| matches!(fault, Fault::DisconnectInsideLiteral { .. }))?;
            let Some(Fault::DisconnectInsideLiteral { body, after }) = state.faults.get_mut(position) else {
                return None;
            };
            *body -= 1;
            let (left, after) = (*body, *after);
            if left > 0 {
                return None;
            }
            state.faults.remove(position);
            state.record.faults_struck += 1;
            Some(after)
        });
        let lie = self.state.change(|state| {
            state.strike(true, |fault| match fault {
                Fault::LiteralLies { uid, by } if *uid == mail.uid => Some(*by),
                _ => None,
            })
        });
        let length = i64::try_from(mail.bytes.len()).unwrap() + lie.unwrap_or_default();
        self.out
            .extend_from_slice(format!("BODY[] {{{length}}}\r\n").as_bytes());
        let cut = cut.or_else(|| lie.filter(|by| *by >= FOUR_GIB).map(|_| mail.bytes.len()));
        let Some(after) = cut else {
            self.out.extend_from_slice(&mail.bytes);
            return Ok(true);
        };
        self.out.extend_from_slice(&mail.bytes[..after.min(mail.bytes.len())]);
        self.flush()?;
        if self.state.look(|state| state.has(&Fault::HangsAt { uid: mail.uid })) {
            while let Some(said) = self.reader.line()? {
                let said = String::from_utf8_lossy(&said).trim_end().to_owned();
                let command = said.split_once(' ').map_or("", |(_, command)| command).to_owned();
                self.state.change(|state| state.record.commands.push(command));
            }
        }
        self.connection.cut();
        Ok(false)
    }
}
