//! The program: a real [`Mailbox`] among things made of memory, started again whenever it ends.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtap::attempts::Attempts;
use mailtap::clock::Clock;
use mailtap::dead_letter::DeadLetters;
use mailtap::event::build;
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::mailbox::{Credentials, Mailbox};
use mailtap::metrics::Counters;
use mailtap::net::{Endpoint, Security};
use mailtap::secret::Secret;
use mailtap::sink::artifact::{self, Artifacts};
use mailtap::sink::limacharlie::discovery;
use mailtap::turns::Turns;

use super::receiver::{Disk, Receiver};
use super::server::Server;
use super::store::Store;
use super::world::{Process, World, jitter};

/// Lives from start to start until nothing is left to happen.
pub fn live_until_all_is_quiet(world: &Arc<World>) {
    let began = Instant::now();
    loop {
        mailbox(world, began).run();
        let mut truth = world.truth();
        if truth.ended {
            return;
        }
        assert!(truth.process != Process::Runs, "it ended unasked");
        // Whatever the killed process did to its files while it found out that it is dead did not happen.
        for (file, content) in std::mem::take(&mut truth.files_at_death) {
            match content {
                Some(content) => fs::write(file, content).unwrap(),
                None => drop(fs::remove_file(file)),
            }
        }
        truth.process = Process::Runs;
    }
}

fn mailbox(world: &Arc<World>, began: Instant) -> Mailbox {
    let clock: Arc<dyn Clock> = Arc::new(WorldClock {
        world: Arc::clone(world),
        began,
    });
    let settings = artifact::Settings {
        oid: "oid".to_owned(),
        ingest_key: Secret::new("key".to_owned()),
        retention_days: None,
        hostname: "model".to_owned(),
        directory: discovery::address("oid").unwrap(),
    };
    let artifacts = Artifacts::new(settings, Arc::new(Store(Arc::clone(world))), Arc::clone(&clock));
    let mut truth = world.truth();
    let receiver = Receiver::new(world, truth.random.once_in(2));
    Mailbox {
        imap: mailtap::imap::Settings {
            endpoint: Endpoint {
                host: "model".to_owned(),
                port: 143,
                security: Security::Plain,
            },
            username: "user".to_owned(),
            mechanism: None,
            compress: false,
        },
        name: MailboxName::new("INBOX"),
        credentials: Credentials::Password(Secret::new("password".to_owned())),
        event: build::Settings {
            include_attachments: false,
            max_body_size: 0,
            unwrap_journal: false,
            raw: None,
            artifacts: truth.manner.stores_attachments.then(|| truth.folder.clone()),
            hostname: String::new(),
            oid: String::new(),
        },
        after_delivery: truth.after_delivery.clone(),
        from_zero: truth.manner.from_zero,
        dial: Arc::new(Server {
            world: Arc::clone(world),
            clock: Arc::clone(&clock),
        }),
        sink: Box::new(receiver),
        artifacts: truth.manner.stores_attachments.then_some(artifacts),
        checkpoint: Box::new(Disk(Arc::clone(world))),
        dead_letters: DeadLetters::new(truth.dead_letter_file()),
        attempts: Attempts::new(truth.attempts_file()),
        counters: Arc::new(Counters::default()),
        clock,
        turns: Turns::new(1).join(),
        listed: false,
        until: mailtap::mailbox::Until::Stopped,
        random: jitter,
    }
}

/// Time passes when somebody waits, and not otherwise.
struct WorldClock {
    world: Arc<World>,
    began: Instant,
}

impl Clock for WorldClock {
    fn now(&self) -> Instant {
        self.began + self.world.truth().now
    }

    fn unix_milliseconds(&self) -> i64 {
        let truth = self.world.truth();
        1_800_000_000_000 + truth.clock_ahead + i64::try_from(truth.now.as_millis()).unwrap()
    }

    fn wait(&self, duration: Duration) {
        let mut truth = self.world.truth();
        truth.step();
        truth.now += duration;
        if duration > Duration::from_secs(30) {
            truth.happen_next();
        }
    }

    fn stopping(&self) -> bool {
        let truth = self.world.truth();
        truth.ended || truth.process != Process::Runs
    }
}
