//! An IMAP server in this process, with its mailboxes in memory. It is faithful until it is told to misbehave, and keeps
//! a record of what the client did.
//!
//! `session.rs` is the conversation, `fetch.rs` its heart, `store.rs` what writes, `command.rs` reads what the client sends, `mailbox.rs` is what
//! is stored.

mod command;
mod fetch;
mod mailbox;
mod session;
mod store;

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::ServerConfig;

use super::Watched;
use super::certificates::{self, Certificate};
use super::wire::{Connection, Listener};
use mailbox::Mailbox;

pub const USER: &str = "journal@example.com";
pub const PASSWORD: &str = "correct horse battery staple";

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// TLS with this certificate; `None` is clear text.
    pub certificate: Option<Certificate>,
    /// When it begins.
    pub tls: TlsBegins,
    /// What else is offered to those who logged in; `COMPRESS=DEFLATE` is also done.
    pub extensions: Vec<&'static str>,
    /// What the client may do.
    pub access: Access,
    /// The first mailbox, by its name on the wire (modified UTF-7).
    pub mailbox: String,
    /// Whether AUTHENTICATE takes an initial response (RFC 4959).
    pub sasl_ir: bool,
    /// Whether AUTH=PLAIN is offered at all; LOGIN always is.
    pub auth_plain: bool,
    /// Whether AUTH=XOAUTH2 is offered; the token that it takes is the password.
    pub auth_xoauth2: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            certificate: Some(Certificate::Good),
            tls: TlsBegins::AtOnce,
            extensions: Vec::new(),
            access: Access::Reads,
            mailbox: "INBOX".to_owned(),
            sasl_ir: true,
            auth_plain: true,
            auth_xoauth2: false,
        }
    }
}

/// What the client may do; anything beyond it is a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Reads,
    /// Write as well, by SELECT, UID STORE and UID COPY, and with the extensions MOVE and UIDPLUS by UID MOVE and UID EXPUNGE.
    Writes,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsBegins {
    /// With the first byte.
    AtOnce,
    /// With STARTTLS; before it nobody may log in.
    WithStartTls,
}

/// What the server does wrong, from when it is told until [`ImapServer::heal`], unless it says *once*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is accepted, TLS included, and nothing is ever said.
    BannerHangs,
    /// BYE is the greeting.
    ByeAsGreeting,
    /// Once: the next command that begins with this is answered with BYE and the end of the connection.
    ByeOn(&'static str),
    /// Every login is refused as a server in trouble does it: `NO [UNAVAILABLE]`.
    LoginUnavailable,
    /// Once: of the `body`th body from now (1 is the next), only `after` bytes are sent before the connection ends.
    DisconnectInsideLiteral { body: usize, after: usize },
    /// Once: the literal of this mail's body is announced by so many bytes more or fewer than it has. Of 4 GiB more, the
    /// connection ends where they would begin.
    LiteralLies { uid: u32, by: i64 },
    /// The body of this mail is `NIL` and SEARCH does not find it, as after an EXPUNGE by another session.
    BodyNil { uid: u32 },
    /// Every FETCH of bodies that asks for this mail fails as a whole.
    NoOnFetch { uid: u32 },
    /// Once: a FETCH of bodies ends with OK and without this mail.
    Forgets { uid: u32 },
    /// A FETCH gives every mail twice.
    GivesTwice,
    /// FETCH items come in another order, UID behind the body.
    ItemsInAnotherOrder,
    /// FETCH answers the last mail first.
    LastFirst,
    /// Before each FETCH response: news that nobody asked for, flags of other mails included.
    UnsolicitedData,
    /// IDLE is neither offered nor understood.
    NoIdle,
    /// SPECIAL-USE (RFC 6154) is neither offered nor understood.
    NoSpecialUse,
    /// SPECIAL-USE is offered, and BAD when it is used.
    SpecialUseIsBad,
    /// IDLE is offered, but new mail is never told during it.
    IdleNeverFires,
    /// SELECT opens the mailbox for reading only.
    ReadOnly,
    /// Every STORE, COPY and MOVE that names this mail is refused as a whole.
    NoOnStore { uid: u32 },
    /// Every STORE, COPY and MOVE of more than one mail is refused as a whole.
    NoOnStoreOfSeveral,
    /// EXAMINE says nothing of UIDNEXT.
    UidNextMissing,
    /// EXAMINE gives this UIDNEXT, whatever is true.
    UidNextIs(u32),
    /// A FETCH without bodies leaves this mail out, and ends with OK.
    LeavesOut { uid: u32 },
    /// A FETCH without bodies gives sizes and dates that are not those of the mails.
    MeasuresBadly,
    /// Every FETCH without bodies fails as a whole.
    NoOnListing,
    /// Every FETCH of bodies fails: the mails are stored elsewhere, and that is away.
    NoBodies,
    /// Once: a FETCH of bodies fails.
    NoBodiesOnce,
    /// Each answer begins with another number of mails, one of them false.
    EndlessNews,
    /// Every session ends at this mail, after the first byte of its body.
    EndsAt { uid: u32 },
    /// Every session hangs at this mail, after the first byte of its body.
    HangsAt { uid: u32 },
    /// Every command that begins with `to` is answered with this line, behind its tag; or without one, if the line is
    /// untagged, and with the end of the connection.
    Says { to: &'static str, line: &'static str },
    /// EXAMINE gives another UIDVALIDITY each time; the mails and their UIDs are the same.
    UidValidityAlwaysNew,
    /// Every session ends after so many bodies.
    EndsAfter { bodies: usize },
    /// `NO Unsafe Login`, as of 163.com, to whoever opens a mailbox without having sent ID behind the login.
    UnsafeLogin,
}

/// What the client did.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Connections that were greeted, or should have been.
    pub connections: usize,
    /// Sessions in IDLE at this moment.
    pub idling: usize,
    /// The most connections that were logged in at a time.
    pub most_logged_in: usize,
    /// Every command as it was received, without its tag, of all connections in order.
    pub commands: Vec<String>,
    /// The UID of every body of which at least a byte was sent, in order, repeats included.
    pub bodies: Vec<u32>,
    /// Tokens of ID, as the client sent them.
    pub id: Option<String>,
    /// How often each fault struck.
    pub faults_struck: usize,
    /// What a client must not do: anything but read-only commands (see [`Access`]), a body without PEEK, a tag used twice, a command
    /// line over 8,000 bytes, a bare LF.
    pub violations: Vec<String>,
}

/// The server; it stops when it is dropped.
pub struct ImapServer {
    listener: Listener,
    state: Arc<Watched<State>>,
}

/// Everything the sessions share.
struct State {
    settings: Settings,
    /// For STARTTLS.
    tls: Option<Arc<ServerConfig>>,
    password: String,
    /// The first is the one of the settings; the others come and go.
    mailboxes: Vec<Mailbox>,
    faults: Vec<Fault>,
    record: Record,
    views: Vec<View>,
    logged_in: usize,
}

/// What one session has been told of the mailbox (RFC 3501, section 7.3: sequence numbers are the session's own).
struct View {
    connection: Arc<Connection>,
    /// The mailbox's name.
    mailbox: String,
    uids: Vec<u32>,
    idle: bool,
    /// By SELECT.
    writable: bool,
}

impl ImapServer {
    /// A TLS server with a good certificate and an empty INBOX.
    pub fn start() -> ImapServer {
        ImapServer::with(Settings::default())
    }

    pub fn with(settings: Settings) -> ImapServer {
        let config = settings.certificate.map(certificates::server_config);
        let at_once = config.clone().filter(|_| settings.tls == TlsBegins::AtOnce);
        let state = Arc::new(Watched::new(State {
            mailboxes: vec![Mailbox::new(&settings.mailbox)],
            tls: config.filter(|_| settings.tls == TlsBegins::WithStartTls),
            settings,
            password: PASSWORD.to_owned(),
            faults: Vec::new(),
            record: Record::default(),
            views: Vec::new(),
            logged_in: 0,
        }));
        let shared = Arc::clone(&state);
        let listener = Listener::start(at_once, move |connection| session::serve(connection, &shared));
        ImapServer { listener, state }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Stores a mail, tells the sessions in IDLE, and returns its UID.
    pub fn deliver(&self, mail: &[u8]) -> u32 {
        self.state.change(|state| {
            let uid = state.first().append(mail);
            state.tell_idlers();
            uid
        })
    }

    /// Creates a mailbox, by its name on the wire, with attributes as LIST tells them (`\\Sent`).
    pub fn create(&self, name: &str, attributes: &str) {
        self.state.change(|state| {
            let mut mailbox = Mailbox::new(name);
            mailbox.uid_validity += u32::try_from(state.mailboxes.len()).unwrap();
            attributes.clone_into(&mut mailbox.attributes);
            state.mailboxes.push(mailbox);
        });
    }

    /// Stores a mail in one of several mailboxes.
    pub fn deliver_to(&self, name: &str, mail: &[u8]) -> u32 {
        self.state.change(|state| {
            let uid = state.mailbox(name).expect("a mailbox that was created").append(mail);
            state.tell_idlers_where(|view| view.mailbox == name);
            uid
        })
    }

    /// Deletes a mailbox; its sessions end with BYE.
    pub fn delete(&self, name: &str) {
        self.state.change(|state| {
            state.mailboxes.retain(|mailbox| mailbox.name != name);
            for view in state.views.iter().filter(|view| view.mailbox == name) {
                let _ = view
                    .connection
                    .write_all(b"* BYE the mailbox was deleted under you\r\n");
                view.connection.close();
            }
        });
    }

    /// Stores a mail under a UID that was passed over: it becomes visible after mails with higher UIDs.
    pub fn deliver_late(&self, uid: u32, mail: &[u8]) {
        self.state.change(|state| {
            state.first().insert(uid, mail);
            state.tell_idlers();
        });
    }

    /// Removes a mail, as another client would.
    pub fn expunge(&self, uid: u32) {
        self.state.change(|state| {
            state.first().remove(uid);
            state.tell_idlers();
        });
    }

    /// Sets a flag, as another client would.
    pub fn flag(&self, uid: u32, flag: &str) {
        self.state.change(|state| state.first().flag(&[uid], flag));
    }

    /// Waits until exactly these mails of the first mailbox have `flag`.
    pub fn wait_for_flag(&self, flag: &str, uids: &[u32]) {
        self.state.wait_for("a flag on these mails and no others", |state| {
            let mailbox = &state.mailboxes[0];
            let has = |uid: &u32| mailbox.flags(*uid).iter().any(|own| own == flag);
            let flagged: Vec<u32> = mailbox.uids().into_iter().filter(has).collect();
            (flagged == uids).then_some(())
        });
    }

    /// Waits until a mailbox has so many mails.
    pub fn wait_for_mails(&self, name: &str, count: usize) {
        self.state.wait_for("so many mails in a mailbox", |state| {
            let mailbox = state.mailboxes.iter().find(|mailbox| mailbox.name == name)?;
            (mailbox.uids().len() == count).then_some(())
        });
    }

    /// Deletes the mailbox and creates it again with the same mails, as a restore does: another UIDVALIDITY, UIDs from 1.
    /// Every session ends with BYE.
    pub fn recreate(&self) {
        self.recreate_with(true);
    }

    /// The same, and the mails are gone.
    pub fn recreate_empty(&self) {
        self.recreate_with(false);
    }

    /// Deletes the mailbox and creates it again, empty, and no session is told: it goes on in the new one.
    pub fn recreate_in_silence(&self) {
        self.state.change(|state| {
            state.first().clear();
            state.first().recreate();
        });
    }

    fn recreate_with(&self, mails: bool) {
        self.state.change(|state| {
            if !mails {
                state.first().clear();
            }
            state.first().recreate();
            for view in &state.views {
                let _ = view
                    .connection
                    .write_all(b"* BYE the mailbox was deleted under you\r\n");
                view.connection.close();
            }
        });
    }

    /// Sets UIDNEXT, so that UIDs and sequence numbers differ.
    pub fn skip_uids_to(&self, uid_next: u32) {
        self.state.change(|state| state.first().uid_next = uid_next);
    }

    pub fn uid_validity(&self) -> u32 {
        self.state.look(|state| state.mailboxes[0].uid_validity)
    }

    /// UIDs of the mails stored now.
    pub fn uids(&self) -> Vec<u32> {
        self.state.look(|state| state.mailboxes[0].uids())
    }

    pub fn set_password(&self, password: &str) {
        self.state.change(|state| password.clone_into(&mut state.password));
    }

    /// Shows another certificate to whoever connects from now on.
    pub fn set_certificate(&self, certificate: Certificate) {
        self.listener.set_config(certificates::server_config(certificate));
    }

    pub fn misbehave(&self, fault: Fault) {
        self.state.change(|state| state.faults.push(fault));
    }

    /// No fault any more.
    pub fn heal(&self) {
        self.state.change(|state| state.faults.clear());
    }

    /// Ends every connection without a word.
    pub fn cut_connections(&self) {
        self.listener.cut_all();
    }

    pub fn record(&self) -> Record {
        self.state.look(|state| state.record.clone())
    }

    /// Bytes sent on all connections, as they were before TLS and behind COMPRESS.
    pub fn sent_bytes(&self) -> u64 {
        self.listener.sent_bytes()
    }

    /// Forgets what was recorded so far (sessions in IDLE stay counted).
    pub fn forget_record(&self) {
        self.state.change(|state| {
            state.record = Record {
                idling: state.record.idling,
                ..Record::default()
            };
        });
    }

    /// Waits until the record is as `wanted`.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Record) -> bool) {
        self.state.wait_for(what, |state| wanted(&state.record).then_some(()));
    }
}

impl State {
    fn has(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }

    /// The first fault that `wanted` recognises; counted, and taken away when it strikes only once.
    fn strike<R>(&mut self, once: bool, wanted: impl Fn(&Fault) -> Option<R>) -> Option<R> {
        let (position, found) = self
            .faults
            .iter()
            .enumerate()
            .find_map(|(position, fault)| Some((position, wanted(fault)?)))?;
        if once {
            self.faults.remove(position);
        }
        self.record.faults_struck += 1;
        Some(found)
    }

    fn tell_idlers(&mut self) {
        self.tell_idlers_where(|_| true);
    }

    /// Tells those whom it may concern: to ask two thousand sessions at every occasion takes longer than what is measured.
    fn tell_idlers_where(&mut self, concerned: impl Fn(&View) -> bool) {
        if self.has(&Fault::IdleNeverFires) {
            return;
        }
        for view in self.views.iter_mut().filter(|view| view.idle && concerned(view)) {
            let mailbox = self.mailboxes.iter().find(|mailbox| mailbox.name == view.mailbox);
            if let Some(mailbox) = mailbox {
                let news = view.news(mailbox);
                let _ = view.connection.write_all(news.as_bytes());
            }
        }
    }

    fn first(&mut self) -> &mut Mailbox {
        &mut self.mailboxes[0]
    }

    /// INBOX is the same in every case (RFC 3501, section 5.1), other names are not.
    fn mailbox(&mut self, name: &str) -> Option<&mut Mailbox> {
        self.mailboxes.iter_mut().find(|mailbox| {
            let inbox = mailbox.name.eq_ignore_ascii_case("INBOX");
            mailbox.name == name || (inbox && name.eq_ignore_ascii_case("INBOX"))
        })
    }

    /// The mailbox that a session has open.
    fn opened(&self, connection: &Arc<Connection>) -> Option<&Mailbox> {
        let view = self
            .views
            .iter()
            .find(|view| Arc::ptr_eq(&view.connection, connection))?;
        self.mailboxes.iter().find(|mailbox| mailbox.name == view.mailbox)
    }

    fn view(&mut self, connection: &Arc<Connection>) -> Option<&mut View> {
        self.views
            .iter_mut()
            .find(|view| Arc::ptr_eq(&view.connection, connection))
    }
}

impl View {
    /// EXPUNGE and EXISTS for what changed since the session was last told.
    fn news(&mut self, mailbox: &Mailbox) -> String {
        let mut news = String::new();
        let now = mailbox.uids();
        for number in (0..self.uids.len()).rev() {
            if now.binary_search(&self.uids[number]).is_err() {
                self.uids.remove(number);
                let _ = write!(news, "* {} EXPUNGE\r\n", number + 1);
            }
        }
        if self.uids != now {
            let _ = write!(news, "* {} EXISTS\r\n", now.len());
            self.uids = now;
        }
        news
    }
}
