//! What the account asks for, chosen by the last byte: the way in, what is done after delivery, how far UIDs lie apart, and
//! whether mailboxes are listed first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::World;
use crate::account::{Account, Adjusted};
use crate::clock::{Clock, Deadline};
use crate::http::url::Url;
use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::wanted::Wanted;
use crate::mailbox::{Credentials, Until};
use crate::net::{Endpoint, NetError, NetErrorKind, Security, Stream};
use crate::oauth::{self, Tokens};
use crate::secret::Secret;
use crate::turns::Turns;
use crate::{imap, limits};

/// The host of the token endpoint.
pub(super) const TOKENS: &str = "t";

/// What is configured.
#[derive(Clone)]
pub(super) struct Choices {
    pub imap: imap::Settings,
    pub tokens: bool,
    pub lists: bool,
    pub action: Option<Action>,
    pub stride: u32,
}

impl Choices {
    pub(super) fn new(byte: u8) -> Choices {
        let bit = |place: u32| byte.checked_shr(place).unwrap_or_default() & 1 == 1;
        Choices {
            imap: imap::Settings {
                endpoint: Endpoint {
                    host: "h".to_owned(),
                    port: 143,
                    security: if bit(0) { Security::StartTls } else { Security::Plain },
                },
                username: "u".to_owned(),
                mechanism: None,
                compress: bit(1),
            },
            tokens: bit(2),
            lists: bit(7),
            action: match byte >> 3 & 3 {
                1 => Some(Action::Flag("\\Seen".to_owned())),
                2 => Some(Action::Move(MailboxName::new("Done"))),
                3 => Some(Action::Delete),
                _ => None,
            },
            // A backlog, or one of several listings.
            stride: match byte >> 5 & 3 {
                1 => 700,
                2 => 30_000,
                _ => 1,
            },
        }
    }

    pub(super) fn start_tls(&self) -> bool {
        self.imap.endpoint.security == Security::StartTls
    }

    /// What the good server can do.
    pub(super) fn capabilities(&self) -> String {
        let mut capabilities = "IMAP4rev1 IDLE ID SASL-IR".to_owned();
        for (can, what) in [
            (!self.tokens, " AUTH=PLAIN"),
            (self.tokens, " AUTH=XOAUTH2"),
            (self.start_tls(), " STARTTLS"),
            (self.imap.compress, " COMPRESS=DEFLATE"),
            (self.action.is_some(), " UIDPLUS MOVE"),
        ] {
            if can {
                capabilities.push_str(what);
            }
        }
        capabilities
    }
}

impl World {
    pub(super) fn credentials(&self) -> Credentials {
        let url = format!("http://{TOKENS}/");
        match Url::parse(&url, true) {
            Ok(token_url) if self.choices.tokens => {
                let settings = oauth::Settings {
                    token_url,
                    client_id: "c".to_owned(),
                    client_secret: None,
                    grant: oauth::Grant::ClientCredentials,
                    scope: None,
                };
                let clock = Arc::clone(&self.time) as Arc<dyn Clock>;
                Credentials::Tokens(Arc::new(Tokens::new(settings, Arc::new(self.clone()), clock)))
            }
            _ => Credentials::Password(Secret::new("pw".to_owned())),
        }
    }

    /// Asks which mailboxes there are, until it knows or gives up. Whatever is listed was said by the server.
    pub(super) fn list(&self) {
        let account = Account {
            imap: self.choices.imap.clone(),
            credentials: self.credentials(),
            wanted: vec![
                Wanted::Pattern(MailboxName::new("Entwürfe/*")),
                Wanted::Use("\\Sent"),
                Wanted::Name(MailboxName::new("INBOX")),
            ],
            dial: Arc::new(self.clone()),
            turns: Turns::new(1),
            counters: Arc::default(),
            clock: Arc::clone(&self.time) as Arc<dyn Clock>,
            until: Until::CaughtUp,
            random: || u64::MAX / 3,
        };
        account.follow(|listing| {
            let state = self.lock();
            let mut seen = BTreeSet::new();
            assert!(listing.found.len() <= limits::MAILBOXES);
            for name in listing.found.iter().map(|found| &found.name) {
                assert!(seen.insert(name.as_str()), "{name} is listed twice");
                assert!(
                    name.as_str() == "INBOX" || state.any_name || state.names.contains(name.wire()),
                    "{name} is a name that nobody said"
                );
            }
            assert!(seen.contains("INBOX"), "asked for by its name");
            Adjusted::default()
        });
    }
}

/// The token endpoint: one answer, whatever is asked.
pub(super) struct TokenEndpoint {
    world: World,
    answer: Vec<u8>,
}

impl TokenEndpoint {
    pub(super) fn new(world: &World) -> TokenEndpoint {
        let good = r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#;
        let (status, body) = match world.lock().script.choose(16) {
            1 => (400, r#"{"error":"invalid_grant"}"#),
            2 => (503, ""),
            3 => (200, "{}"),
            4 => (302, good),
            5 => (200, r#"{"access_token":"t 1","token_type":"Bearer"}"#),
            _ => (200, good),
        };
        let length = body.len();
        TokenEndpoint {
            world: world.clone(),
            answer: format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes(),
        }
    }
}

impl Stream for TokenEndpoint {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        if self.world.time.stopping() {
            return Err(NetError {
                peer: self.peer().to_owned(),
                phase: deadline.phase,
                kind: NetErrorKind::Stopped,
            });
        }
        let count = self.answer.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(self.answer.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write_all(&mut self, _bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "t:80"
    }
}
