//! What the client changes, and what mailboxes there are. Whatever the server says, nothing is done to a mail that was not
//! delivered.

use std::ops::RangeInclusive;

use super::State;
use super::server::Conversation;

impl Conversation {
    /// STORE, COPY, MOVE or EXPUNGE of these UIDs.
    pub(super) fn write(&mut self, state: &mut State, tag: &str, command: &[&str], uids: &[RangeInclusive<u32>]) {
        assert!(
            self.world.choices.action.is_some(),
            "nothing was to be changed: {command:?}"
        );
        for uid in uids.iter().cloned().flatten() {
            let named = state.store.named(self.uid_validity, uid).map(|mail| mail.number);
            let mail = state.store.mails.iter().find(|mail| Some(mail.number) == named);
            let delivered = mail.is_none_or(|mail| state.store.has_come(mail));
            let delivered = delivered || state.store.has_come_as(&self.told, uid);
            assert!(delivered, "{command:?}: UID {uid} was not delivered");
            if self.is_stale(state) || mail.is_none() || state.script.choose(8) == 1 {
                continue;
            }
            match command {
                ["UID", "STORE", _, _, flag] => {
                    let deleted = flag.contains("\\Deleted");
                    if let Some(mail) = state.store.mails.iter_mut().find(|mail| mail.uid == uid) {
                        mail.deleted |= deleted;
                    }
                }
                ["UID", "MOVE", ..] => state.store.mails.retain(|mail| mail.uid != uid),
                ["UID", "EXPUNGE", _] => state.store.mails.retain(|mail| mail.uid != uid || !mail.deleted),
                _ => {}
            }
        }
        self.noise(state);
        self.end(state, tag);
    }

    /// LIST, of whatever pattern.
    pub(super) fn list_mailboxes(&mut self, state: &mut State) {
        for _ in 0..state.script.choose(4).saturating_add(1) {
            let (line, name): (&str, &[u8]) = match state.script.choose(12) {
                1 => ("* LIST (\\Sent) \"/\" {6}\r\nGesend", b"Gesend"),
                2 => ("* LIST (\\Noselect) \"/\" closed", b""),
                3 => ("* LIST () NIL \"a \\\"b\\\" c\"", b"a \"b\" c"),
                4 => ("* LIST () \"/\" R&D", b"R&D"),
                5 => ("* LIST (\\Sent \\NonExistent) \"/\" gone", b""),
                6 => ("* LIST () \"/\"", b""),
                7 => ("* LIST (\\Sent) \"/\" Entw&APw-rfe", b"Entw&APw-rfe"),
                8 => ("* LIST (\\Sent) \"/\" \"Entw\u{fc}rfe\"", "Entw\u{fc}rfe".as_bytes()),
                9 => ("* LIST () \"/\" {3}\r\nA1 OK", b"A1 "),
                10 => ("* LSUB () \"/\" other", b""),
                _ => ("* LIST (\\HasNoChildren \\Sent) \"/\" Sent", b"Sent"),
            };
            state.names.insert(name.to_vec());
            self.say(line);
        }
        self.noise(state);
    }
}
