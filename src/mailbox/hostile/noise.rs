//! What a server may say beside what it was asked, well or badly, and how it ends a command.

use super::State;
use super::server::Conversation;

impl Conversation {
    /// What may come at any time.
    pub(super) fn noise(&mut self, state: &mut State) {
        let number = state.script.choose(128);
        self.look.unclear |= number != 0;
        match number {
            1 => self.say(&format!("* {number} EXPUNGE")),
            2 => self.say("* OK [ALERT [x] y] your quota is {5}"),
            3 => self.say("* 1 FETCH (FLAGS (\\Seen))"),
            4 => {
                let uid = u32::from(state.script.choose(16));
                self.unasked(state, uid);
            }
            5 => {
                state.store.mention(3);
                self.say("* SEARCH 1 2 3");
            }
            6 => self.say("+ go on"),
            7 => self.say("* 1 FETCH"),
            8 => self.say("Server Unavailable. 15"),
            9 => {
                state.store.mention(1);
                self.say("* 0 FETCH (UID 1 RFC822.SIZE 9)");
            }
            10 => self.close(),
            11 => self.say("* BYE"),
            12 => self.fall_silent(),
            13 => self.say("A9999 OK done"),
            14 => self.say(&format!("* 1 FETCH {}", "(".repeat(50))),
            15 => self.send(b"* OK \xff\xfe\n\r\n"),
            16 => {
                self.garbled = true;
                self.say("* 1 FETCH (UID 1 X {3}");
            }
            17 => {
                state.names.insert(b"a)\r\n".to_vec());
                self.say("* LIST () \"/\" {4}\r\na)\r\n");
            }
            18 => self.say(&format!("* {} EXISTS", state.script.choose(64))),
            19 => self.say("* 1 FETCH (UID 1 BODY[] NIL)"),
            20 => self.say("* NO [UNAVAILABLE] soon"),
            21 => {
                let raw = state.script.take(16);
                self.garbled = true;
                let text = String::from_utf8_lossy(&raw).to_ascii_lowercase();
                if text.contains("search") || text.contains("fetch") {
                    state.store.mention(u32::MAX);
                }
                state.any_name |= text.contains("list");
                if text.contains("uid") {
                    state.store.uids_changed();
                }
                self.send(&raw);
                self.send(b"\r\n");
            }
            _ => {}
        }
    }

    /// The end of a command. Says whether it is OK without more.
    pub(super) fn end(&mut self, state: &mut State, tag: &str) -> bool {
        let number = state.script.choose(96);
        match number {
            1 => self.say(&format!("{tag} NO")),
            2 => self.say(&format!("{tag} BAD [CLIENTBUG] no {{3}}")),
            3 => self.say(&format!("{tag} NO Some of the requested messages no longer exist.")),
            4 => self.say(&format!("{tag} NO [SERVERBUG] oh")),
            5 => self.say(&format!("{tag} NO [UNAVAILABLE] later")),
            6 => self.say(&format!(
                "{tag} NO [THROTTLED] Suggested Backoff Time: 5000 milliseconds"
            )),
            7 => self.say(&format!("{tag} BYE")),
            8 => self.fall_silent(),
            9 => self.close(),
            10 => self.say(&format!("{tag} OK")),
            11 => self.say(&format!("{tag} OK [EXPUNGEISSUED] some")),
            12 => self.say(&format!("{tag} OK your quota is {{5}}")),
            13 => self.say("A0001 OK that was another"),
            _ => self.say(&format!("{tag} OK done")),
        }
        matches!(number, 0 | 14..)
    }
}
