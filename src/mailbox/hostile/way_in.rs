//! The way in: STARTTLS, the login by several mechanisms, COMPRESS.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate as compress;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};

use super::State;
use super::server::{Awaited, Conversation};
use crate::deflate;

/// Both ways of a compressed conversation.
pub(super) struct Compressed {
    compressor: Box<CompressorOxide>,
    inflater: Box<InflateState>,
}

impl Compressed {
    fn new() -> Compressed {
        Compressed {
            compressor: deflate::compressor(),
            inflater: InflateState::new_boxed(DataFormat::Raw),
        }
    }

    pub(super) fn deflate(&mut self, bytes: &[u8], output: &mut Vec<u8>) {
        // An empty block between two pieces ends the first one.
        let result = deflate::append(output, bytes.len().saturating_add(1024), |space| {
            compress(&mut self.compressor, bytes, space, MZFlush::Sync)
        });
        assert!(result.status.is_ok() && result.bytes_consumed == bytes.len());
    }

    pub(super) fn inflate(&mut self, bytes: &[u8], input: &mut Vec<u8>) {
        let result = deflate::append(input, bytes.len(), |space| {
            inflate(&mut self.inflater, bytes, space, MZFlush::Sync)
        });
        assert!(
            result.status.is_ok() && result.bytes_consumed == bytes.len(),
            "what the client compressed"
        );
    }
}

impl Conversation {
    pub(super) fn capability(&mut self, state: &mut State) {
        let all = self.world.choices.capabilities();
        let line = match state.script.choose(32) {
            1 => "IMAP4rev1 AUTH=PLAIN".to_owned(),
            2 => "IMAP4rev1 IDLE".to_owned(),
            3 => "LOGINDISABLED".to_owned(),
            4 => format!("{all} X-GM-EXT-1"),
            5 => {
                self.say("* CAPABILITY");
                return;
            }
            6 => format!("{all} {{3}}"),
            7 => "IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256".to_owned(),
            8 => "IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER STARTTLS".to_owned(),
            9 => format!("{} SPECIAL-USE", all.replace(" MOVE", "")),
            10 => all.replace(" UIDPLUS MOVE", ""),
            _ => all,
        };
        self.say(&format!("* CAPABILITY {line}"));
    }

    pub(super) fn start_tls(&mut self, state: &mut State, tag: &str) {
        match state.script.choose(8) {
            1 => self.say(&format!(
                "{tag} OK go\r\n* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] injected"
            )),
            2 => self.send(format!("{tag} OK go\r\n* OK half a li").as_bytes()),
            3 => self.say(&format!("{tag} NO")),
            _ => {
                self.end(state, tag);
            }
        }
    }

    /// TLS begins. What was said in clear and not read yet must not count as said inside.
    pub(super) fn tls_begins(&mut self) {
        assert!(self.is_all_read(), "TLS begins behind bytes in clear");
        self.in_tls = true;
    }

    pub(super) fn compress(&mut self, state: &mut State, tag: &str) {
        match state.script.choose(8) {
            1 => self.say(&format!("{tag} NO [COMPRESSIONACTIVE] not now")),
            2 => {
                self.say(&format!("{tag} OK go\r\n* OK but what follows is not compressed"));
                self.compressed = Some(Compressed::new());
            }
            _ => {
                self.say(&format!("{tag} OK go"));
                self.compressed = Some(Compressed::new());
            }
        }
    }

    /// AUTHENTICATE, or LOGIN.
    pub(super) fn authenticate(&mut self, state: &mut State, tag: &str, words: &[&str]) {
        let in_clear = self.world.choices.start_tls() && !self.in_tls;
        assert!(!in_clear, "a login in clear: {words:?}");
        match words {
            ["AUTHENTICATE", "SCRAM-SHA-256", first] => return self.challenge(state, tag, first),
            ["AUTHENTICATE", "SCRAM-SHA-256"] => {
                self.say("+ ");
                self.waits_for = Awaited::ScramFirst(tag.to_owned());
                return;
            }
            ["AUTHENTICATE", "XOAUTH2" | "OAUTHBEARER", _] if state.script.choose(8) == 1 => {
                self.say(&format!("+ {}", BASE64_STANDARD.encode(r#"{"status":"400"}"#)));
                self.waits_for = Awaited::Refusal(tag.to_owned());
                return;
            }
            ["AUTHENTICATE", _] => {
                self.say("+ ");
                self.waits_for = Awaited::Proof(tag.to_owned());
                return;
            }
            _ => {}
        }
        self.noise(state);
        self.end(state, tag);
    }

    /// SCRAM's server-first-message, to the client's first. This server does not know the password, so whatever it says, the
    /// client must not go on.
    pub(super) fn challenge(&mut self, state: &mut State, tag: &str, first: &str) {
        self.is_impostor = true;
        let first = BASE64_STANDARD.decode(first).unwrap_or_default();
        let first = String::from_utf8_lossy(&first);
        let nonce = first.rsplit_once("r=").map_or("", |(_, nonce)| nonce);
        let message = match state.script.choose(8) {
            1 => "r=other,s=c2FsdA==,i=4096".to_owned(),
            2 => format!("r={nonce}x,s=c2FsdA==,i=4294967295"),
            3 => format!("r={nonce}x,s=,i=0"),
            4 => "e=unknown-user".to_owned(),
            5 => {
                self.say(&format!("{tag} OK come in"));
                return;
            }
            _ => format!("r={nonce}x,s=c2FsdA==,i=4096"),
        };
        self.say(&format!("+ {}", BASE64_STANDARD.encode(message)));
        self.waits_for = Awaited::ScramProof(tag.to_owned());
    }

    /// What follows the client's proof, or its calling off.
    pub(super) fn conclude(&mut self, state: &mut State, tag: &str) {
        match state.script.choose(4) {
            1 => self.say(&format!("{tag} OK come in")),
            2 => {
                self.say(&format!("+ {}", BASE64_STANDARD.encode("v=AAAA")));
                self.waits_for = Awaited::ScramProof(tag.to_owned());
            }
            3 => {
                self.end(state, tag);
            }
            _ => self.say(&format!("{tag} NO [AUTHENTICATIONFAILED] no")),
        }
    }
}
