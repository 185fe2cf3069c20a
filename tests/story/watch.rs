//! One mailbox in this process, between both servers, on a clock that the test turns.

use std::collections::BTreeSet;
use std::panic;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;

use mailtap::attempts::Attempts;
use mailtap::checkpoint::{Checkpoint, CheckpointError};
use mailtap::clock::{Clock, Phase, Stop};
use mailtap::dead_letter::DeadLetters;
use mailtap::event::raw::Collected;
use mailtap::event::{Origin, build};
use mailtap::imap;
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::imap::resume::Memory;
use mailtap::mailbox::{Credentials, Mailbox, Until};
use mailtap::metrics::{Counter, Counters};
use mailtap::net::dial::TcpDialer;
use mailtap::net::tls::{Protocol, Trust};
use mailtap::net::{Endpoint, Security};
use mailtap::secret::Secret;
use mailtap::sink::artifact::{self, Artifacts};
use mailtap::sink::webhook::{self, Webhook};
use mailtap::sink::{Batch, DeliveryError, Sink};
use mailtap::turns::Turns;

use crate::support::certificates;
use crate::support::folder::Folder;
use crate::support::imap_server::{self, ImapServer};
use crate::support::receiver::{self, Receiver};
use crate::support::sandglass::{Impatient, Sandglass};

/// A mailbox at work on a thread; stopped and joined at the end of the test.
pub struct Watch {
    pub server: ImapServer,
    pub receiver: Receiver,
    pub glass: Arc<Sandglass>,
    stop: Arc<Stop>,
    /// Whether reads of the phase in question give up at once.
    pub impatient: Arc<AtomicBool>,
    /// Everything that was remembered.
    pub memories: Arc<Mutex<Vec<Memory>>>,
    pub counters: Arc<Counters>,
    /// Where the dead-letter file is.
    pub folder: Folder,
    /// Where attachments are stored.
    pub artifacts: Option<artifact::Settings>,
    /// Where attachments are kept aside, if not in the test's folder.
    pub spool_in: Option<PathBuf>,
    /// Mails at which the program ends when it writes their events.
    pub poison: BTreeSet<u32>,
    pub thread: Option<thread::JoinHandle<bool>>,
}

impl Watch {
    /// A mailbox of `mails` mails and both servers, before the collector begins.
    pub fn new(mails: u32) -> Watch {
        let server = ImapServer::start();
        for number in 0..mails {
            server.deliver(&crate::mail(number));
        }
        Watch {
            server,
            receiver: Receiver::start(),
            glass: Sandglass::new(),
            stop: Stop::new(),
            impatient: Arc::new(AtomicBool::new(false)),
            memories: Arc::default(),
            counters: Arc::default(),
            folder: Folder::new("watch"),
            artifacts: None,
            spool_in: None,
            poison: BTreeSet::new(),
            thread: None,
        }
    }

    pub fn begin(&mut self, password: &str, lc_secret: &str, impatient_in: Phase) {
        let trust = Trust::load(Some(&certificates::authority())).unwrap();
        let clock = Arc::clone(&self.glass) as Arc<dyn Clock>;
        let dialer = |protocol, stop| {
            let config = trust.client_config(protocol).unwrap();
            Arc::new(TcpDialer::new(config, Arc::clone(&clock), stop))
        };
        let settings = webhook::Settings {
            lc_secret: Some(Secret::new(lc_secret.to_owned())),
            ..webhook::Settings::new(&self.receiver.url())
        };
        let mut event = build::Settings::default();
        let artifacts = self.artifacts.clone().map(|settings| {
            let folder = || self.folder.path().to_owned();
            event.artifacts = Some(self.spool_in.clone().unwrap_or_else(folder));
            Artifacts::new(settings, dialer(Protocol::Http, None), Arc::clone(&clock))
        });
        let mailbox = Mailbox {
            imap: imap::Settings {
                endpoint: Endpoint {
                    host: "localhost".to_owned(),
                    port: self.server.port(),
                    security: Security::Tls,
                },
                username: imap_server::USER.to_owned(),
                mechanism: None,
                compress: false,
            },
            credentials: Credentials::Password(Secret::new(password.to_owned())),
            name: MailboxName::new("INBOX"),
            event,
            from_zero: true,
            after_delivery: None,
            dial: Arc::new(Impatient {
                inner: dialer(Protocol::Imap, Some(Arc::clone(&self.stop))),
                phase: impatient_in,
                active: Arc::clone(&self.impatient),
            }),
            sink: Box::new(Ending {
                inner: Webhook::new(&settings, dialer(Protocol::Http, None), Arc::clone(&clock)).unwrap(),
                poison: self.poison.clone(),
            }),
            artifacts,
            checkpoint: Box::new(Notebook(Arc::clone(&self.memories))),
            attempts: Attempts::new(self.folder.path().join("attempts")),
            dead_letters: self.dead_letters(),
            counters: Arc::clone(&self.counters),
            clock: Arc::clone(&clock),
            turns: Turns::new(1).join(),
            listed: false,
            until: Until::Stopped,
            random: || u64::MAX / 3,
        };
        self.thread = Some(thread::spawn(move || mailbox.run()));
    }

    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.folder.path().join("dead-letter.ndjson"))
    }

    pub fn begin_well(&mut self) {
        self.begin(imap_server::PASSWORD, receiver::SECRET, Phase::Greeting);
    }

    /// The UID below which everything counts as delivered.
    pub fn next_uid(&self) -> Option<u64> {
        let memories = self.memories.lock().unwrap();
        memories.last().map(|memory| memory.position.next_uid)
    }

    pub fn wait_for_events(&self, count: usize) {
        self.receiver
            .wait_until("the events", |record| record.events.len() >= count);
    }
}

impl Watch {
    /// Waits until a session is in IDLE: there is nothing more to do.
    pub fn wait_for_idle(&self) {
        self.server.wait_until("a session in IDLE", |record| record.idling == 1);
    }

    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    /// Ends this process, so to say. The next one knows what was remembered, and nothing else.
    pub fn end(&mut self) {
        self.glass.stop();
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.glass = Sandglass::new();
        self.stop = Stop::new();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.glass.stop();
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap();
                assert_eq!(self.server.record().violations, Vec::<String>::new());
                assert_eq!(self.receiver.record().violations, Vec::<String>::new());
            }
        }
    }
}

/// A checkpoint that keeps all that it was ever told.
struct Notebook(Arc<Mutex<Vec<Memory>>>);

impl Checkpoint for Notebook {
    fn load(&self) -> Result<Option<Memory>, CheckpointError> {
        Ok(self.0.lock().unwrap().last().cloned())
    }

    fn advance(&mut self, memory: &Memory) -> Result<(), CheckpointError> {
        self.0.lock().unwrap().push(memory.clone());
        Ok(())
    }
}

/// The webhook, but that the program ends at some mails, as by a defect in reading them.
struct Ending {
    inner: Webhook,
    poison: BTreeSet<u32>,
}

impl Sink for Ending {
    fn encode(&self, mail: &Collected, output: &mut Vec<u8>) {
        let is_stub = || mail.event.message.parts.iter().all(|part| part.truncated);
        if let Origin::Mailbox { uid, .. } = mail.event.routing.origin
            && self.poison.contains(&uid)
            && !is_stub()
        {
            panic::resume_unwind(Box::new("a defect"));
        }
        self.inner.encode(mail, output);
    }

    fn batch_events(&self) -> usize {
        self.inner.batch_events()
    }

    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        self.inner.deliver(batch)
    }
}
