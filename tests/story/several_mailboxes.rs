//! One account with several mailboxes: by name, by pattern, by use; with fewer connections than mailboxes; and what comes
//! and goes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mailtap::account::{Account, Adjusted};
use mailtap::attempts::Attempts;
use mailtap::checkpoint::{Checkpoint, CheckpointError};
use mailtap::clock::{Clock, Phase, Stop};
use mailtap::dead_letter::DeadLetters;
use mailtap::event::build;
use mailtap::imap;
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::imap::resume::Memory;
use mailtap::imap::wanted::Wanted;
use mailtap::limits;
use mailtap::mailbox::{Credentials, Mailbox, Until};
use mailtap::metrics::{Concern, Counter, Counters, Doing};
use mailtap::net::dial::TcpDialer;
use mailtap::net::tls::{Protocol, Trust};
use mailtap::net::{Endpoint, Security};
use mailtap::secret::Secret;
use mailtap::sink::{Batch, DeliveryError, Sink};
use mailtap::turns::{Member, Turns};

use crate::support::certificates;
use crate::support::imap_server::{self, Fault, ImapServer};
use crate::support::sandglass::{Impatient, Sandglass};
use crate::{Stage, ends_well, mail};

/// INBOX and three more, one of which cannot be opened, with a mail in each.
fn stage(inbox_names: &[&str]) -> Stage {
    let mut stage = Stage::new();
    stage.configuration.inbox_names = inbox_names.iter().map(|name| (*name).to_owned()).collect();
    stage.server.create("Journal/2025", "\\HasNoChildren \\Archive");
    stage.server.create("Journal/&AOk-t&AOk-", "\\HasNoChildren");
    stage.server.create("Journal/closed", "\\Noselect");
    stage.server.create("R&D", "\\HasNoChildren \\Sent");
    for name in ["INBOX", "Journal/2025", "Journal/&AOk-t&AOk-", "R&D"] {
        stage.server.deliver_to(name, &mail(1));
    }
    stage
}

/// Mailboxes and host names of the events, sorted, once there are as many as expected.
fn origins(stage: &Stage, count: usize) -> Vec<(String, String)> {
    stage
        .receiver
        .wait_until("an event of each mailbox", |record| record.events.len() >= count);
    let record = stage.receiver.record();
    assert_eq!(record.violations, Vec::<String>::new());
    assert_eq!(stage.server.record().violations, Vec::<String>::new());
    let text = |routing: &serde_json::Value, key: &str| routing[key].as_str().unwrap().to_owned();
    let mut origins: Vec<_> = record
        .events
        .iter()
        .map(|event| &event.event["routing"])
        .map(|routing| (text(routing, "mailbox"), text(routing, "hostname")))
        .collect();
    origins.sort();
    origins
}

fn own_sensors(mailboxes: &[&str]) -> Vec<(String, String)> {
    mailboxes
        .iter()
        .map(|name| ((*name).to_owned(), (*name).to_owned()))
        .collect()
}

#[test]
fn names_and_patterns_are_watched_each_as_a_sensor_of_its_own() {
    let stage = stage(&["inbox", "Journal/*", "Journal/2025"]);
    let collector = stage.start();
    let expected = own_sensors(&["INBOX", "Journal/2025", "Journal/été"]);
    assert_eq!(origins(&stage, 3), expected);
    stage
        .server
        .wait_until("all of them in IDLE", |record| record.idling == 3);
    stage.server.deliver_to("Journal/&AOk-t&AOk-", &mail(2));
    assert_eq!(origins(&stage, 4).len(), 4);
    ends_well(collector);

    // Each has its checkpoint: nothing comes again.
    stage.server.deliver_to("Journal/2025", &mail(3));
    let collector = stage.start();
    assert_eq!(origins(&stage, 5).len(), 5);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
    assert_eq!(stage.receiver.record().events.len(), 5);
}

#[test]
fn one_mailbox_keeps_the_configured_host_name() {
    let stage = stage(&["Journal/2025"]);
    let collector = stage.start();
    let expected = [("Journal/2025".to_owned(), "collector".to_owned())];
    assert_eq!(origins(&stage, 1), expected);
    ends_well(collector);
}

#[test]
fn a_name_that_is_no_modified_utf_7_is_opened_as_the_server_writes_it() {
    let stage = stage(&["%"]);
    let collector = stage.start();
    assert_eq!(origins(&stage, 2), own_sensors(&["INBOX", "R&D"]));
    ends_well(collector);
}

#[test]
fn a_special_use_finds_its_mailbox_even_where_asking_for_it_is_bad() {
    for refuses in [false, true] {
        let stage = stage(&["\\archive", "\\Sent"]);
        if refuses {
            stage.server.misbehave(Fault::NoSpecialUse);
        }
        let collector = stage.start();
        assert_eq!(origins(&stage, 2), own_sensors(&["Journal/2025", "R&D"]));
        ends_well(collector);
    }
}

#[test]
fn a_special_use_list_that_is_offered_and_refused_is_no_end() {
    let stage = stage(&["\\Archive", "\\All"]);
    stage.server.misbehave(Fault::SpecialUseIsBad);
    let collector = stage.start();
    assert_eq!(origins(&stage, 1), own_sensors(&["Journal/2025"]));
    collector.wait_for_line(&["has the use", "entry=\\All"]);
    ends_well(collector);
}

#[test]
fn matrix_17_a_name_that_is_not_there_is_the_trouble_of_that_mailbox_alone() {
    let stage = stage(&["Missing", "INBOX", "Nothing.*"]);
    let collector = stage.start();
    assert_eq!(origins(&stage, 1), own_sensors(&["INBOX"]));
    collector.wait_for_line(&["mailbox=Missing", "inbox_name", "in_seconds"]);
    collector.wait_for_line(&["no mailbox matches", "entry=Nothing.*", "hierarchy_delimiter=/"]);
    ends_well(collector);
}

#[test]
fn a_listed_mailbox_that_is_deleted_ends_quietly() {
    let stage = stage(&["INBOX", "Journal/%"]);
    let collector = stage.start();
    stage
        .server
        .wait_until("all of them in IDLE", |record| record.idling == 3);
    stage.server.delete("Journal/2025");
    collector.wait_for_line(&["the mailbox is gone", "mailbox=Journal/2025"]);
    stage.server.deliver(&mail(5));
    origins(&stage, 4);
    ends_well(collector);
}

#[test]
fn a_mailbox_made_before_a_restart_is_delivered_from_its_first_mail() {
    let mut stage = Stage::new();
    stage.configuration.inbox_names = ["INBOX", "Journal/*", "Later"].map(str::to_owned).to_vec();
    stage.configuration.from_zero = false;
    stage.server.create("Journal/1", "");
    stage.server.deliver_to("Journal/1", &mail(1));
    let collector = stage.start();
    collector.wait_for_line(&["the server does not open", "mailbox=Later"]);
    stage
        .server
        .wait_until("both of them in IDLE", |record| record.idling == 2);
    ends_well(collector);

    // Neither was ever listed, or opened, by a process that lives.
    for name in ["Journal/2", "Later"] {
        stage.server.create(name, "");
        stage.server.deliver_to(name, &mail(2));
    }
    let collector = stage.start();
    assert_eq!(origins(&stage, 2), own_sensors(&["Journal/2", "Later"]));
    ends_well(collector);
    let collector = stage.start();
    stage
        .server
        .wait_until("all of them in IDLE", |record| record.idling == 4);
    ends_well(collector);
    assert_eq!(stage.receiver.record().events.len(), 2, "nothing comes again");
}

#[test]
fn a_wrong_password_is_tried_once_however_many_mailboxes_there_are() {
    let mut stage = stage(&["INBOX", "Journal/2025", "R&D", "Journal/*"]);
    stage.configuration.password = "wrong".to_owned();
    let collector = stage.start();
    collector.wait_for_line(&["login refused"]);
    ends_well(collector);
    let record = stage.server.record();
    assert_eq!(record.connections, 1, "{:?}", record.commands);
}

#[test]
fn more_mailboxes_than_connections_all_get_their_turn_with_the_connections_there_are() {
    let mut stage = stage(&["*"]);
    stage.configuration.max_connections = Some(2);
    for number in 0..30 {
        let name = format!("More/{number}");
        stage.server.create(&name, "");
        stage.server.deliver_to(&name, &mail(number));
    }
    let collector = stage.start();
    assert_eq!(origins(&stage, 34).len(), 34);
    ends_well(collector);
    let record = stage.server.record();
    assert_eq!(record.most_logged_in, 2);
    assert!(
        record.connections <= 3,
        "turns are handed over with their connections: {}",
        record.connections
    );
}

/// A clock whose waits are over at once, and which tells how long they would have lasted.
struct Hurry {
    stop: Arc<Stop>,
    waited: Mutex<Duration>,
}

impl Hurry {
    fn new(stop: &Arc<Stop>) -> Arc<Hurry> {
        Arc::new(Hurry {
            stop: Arc::clone(stop),
            waited: Mutex::default(),
        })
    }
}

impl Clock for Hurry {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, duration: Duration) {
        *self.waited.lock().unwrap() += duration;
        thread::yield_now();
    }

    fn stopping(&self) -> bool {
        self.stop.asked()
    }
}

/// A clock that goes a second further with every ten looks.
struct Swift {
    looks: AtomicU64,
    stop: Arc<Stop>,
}

impl Clock for Swift {
    fn now(&self) -> Instant {
        let looks = self.looks.fetch_add(1, Ordering::SeqCst);
        Instant::now() + Duration::from_millis(100) * u32::try_from(looks).unwrap()
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, _: Duration) {
        thread::yield_now();
    }

    fn stopping(&self) -> bool {
        self.stop.asked()
    }
}

struct Forgetful;

impl Checkpoint for Forgetful {
    fn load(&self) -> Result<Option<Memory>, CheckpointError> {
        Ok(None)
    }

    fn advance(&mut self, _: &Memory) -> Result<(), CheckpointError> {
        Ok(())
    }
}

struct Count(usize, mpsc::Sender<(usize, usize)>);

impl Sink for Count {
    fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        self.1.send((self.0, batch.count())).unwrap();
        Ok(())
    }
}

fn account(server: &ImapServer) -> imap::Settings {
    imap::Settings {
        endpoint: Endpoint {
            host: "localhost".to_owned(),
            port: server.port(),
            security: Security::Tls,
        },
        username: imap_server::USER.to_owned(),
        mechanism: None,
        compress: false,
    }
}

fn credentials() -> Credentials {
    Credentials::Password(Secret::new(imap_server::PASSWORD.to_owned()))
}

fn dialer(clock: &Arc<dyn Clock>, stop: &Arc<Stop>) -> Arc<TcpDialer> {
    let tls = Trust::load(Some(&certificates::authority()))
        .unwrap()
        .client_config(Protocol::Imap)
        .unwrap();
    Arc::new(TcpDialer::new(tls, Arc::clone(clock), Some(Arc::clone(stop))))
}

/// One that remembers nothing. Whoever finds nobody waiting at the moment does not watch for long.
fn mailbox(
    server: &ImapServer,
    name: &str,
    sink: Count,
    (clock, stop): (&Arc<dyn Clock>, &Arc<Stop>),
    turns: Member,
) -> Mailbox {
    Mailbox {
        credentials: credentials(),
        imap: account(server),
        name: MailboxName::new(name),
        event: build::Settings::default(),
        from_zero: true,
        after_delivery: None,
        dial: Arc::new(Impatient {
            inner: dialer(clock, stop),
            phase: Phase::Idle,
            active: Arc::new(AtomicBool::new(true)),
        }),
        sink: Box::new(sink),
        artifacts: None,
        checkpoint: Box::new(Forgetful),
        attempts: Attempts::new("/nowhere/file".into()),
        dead_letters: DeadLetters::new("/nowhere/file".into()),
        counters: Arc::default(),
        clock: Arc::clone(clock),
        turns,
        listed: false,
        until: Until::Stopped,
        random: || u64::MAX,
    }
}

/// Mailboxes of one account, by two connections, each on a clock of its own.
struct Rounds {
    server: ImapServer,
    names: Vec<String>,
    clocks: Vec<Arc<Hurry>>,
    stop: Arc<Stop>,
    /// The mailbox's place, and how many events.
    delivered: mpsc::Receiver<(usize, usize)>,
    threads: Vec<thread::JoinHandle<bool>>,
}

impl Rounds {
    fn begin(mailboxes: usize) -> Rounds {
        let server = ImapServer::start();
        let stop = Stop::new();
        let turns = Turns::new(2);
        let (sender, delivered) = mpsc::channel();
        let names: Vec<String> = (0..mailboxes).map(|number| format!("M{number}")).collect();
        let clocks: Vec<Arc<Hurry>> = names.iter().map(|_| Hurry::new(&stop)).collect();
        let mut threads = Vec::new();
        for (place, name) in names.iter().enumerate() {
            server.create(name, "");
            let clock = Arc::clone(&clocks[place]) as Arc<dyn Clock>;
            let closing = Arc::clone(&turns);
            let sink = Count(place, sender.clone());
            let mailbox = mailbox(&server, name, sink, (&clock, &stop), turns.join());
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || {
                let _guard = stop.on_stop(move || closing.close());
                mailbox.run()
            }));
        }
        Rounds {
            server,
            names,
            clocks,
            stop,
            delivered,
            threads,
        }
    }

    /// A mail for each mailbox.
    fn deliver(&self, number: u32) {
        for name in &self.names {
            self.server.deliver_to(name, &mail(number));
        }
    }

    /// Waits for so many events; which mailboxes they are of.
    fn wait_for(&self, count: usize) -> Vec<usize> {
        let mut places = Vec::new();
        while places.len() < count {
            let (place, events) = self.delivered.recv_timeout(crate::support::PATIENCE).unwrap();
            places.extend(std::iter::repeat_n(place, events));
        }
        places
    }

    fn end(self) -> imap_server::Record {
        self.stop.ask();
        for thread in self.threads {
            thread.join().unwrap();
        }
        let record = self.server.record();
        assert_eq!(record.violations, Vec::<String>::new());
        record
    }
}

#[test]
fn turns_go_round_and_round_and_every_mail_comes_by_the_same_connections() {
    let rounds = Rounds::begin(7);
    for number in 0..5 {
        rounds.deliver(number);
        rounds.wait_for(7);
    }
    let record = rounds.end();
    assert_eq!((record.connections, record.most_logged_in), (2, 2));
    assert_eq!(record.bodies.len(), 7 * 5, "every mail once");
}

#[test]
fn a_long_backlog_holds_up_no_other_mailbox_of_the_account() {
    const BACKLOG: usize = 4000;
    const LONG: usize = 0;
    const SHORT: usize = 1;
    let server = ImapServer::start();
    let stop = Stop::new();
    let clock: Arc<dyn Clock> = Arc::new(Swift {
        looks: AtomicU64::new(0),
        stop: Arc::clone(&stop),
    });
    let turns = Turns::new(1);
    let closing = Arc::clone(&turns);
    let _guard = stop.on_stop(move || closing.close());
    let (sender, delivered) = mpsc::channel();
    server.create("Long", "");
    server.create("Short", "");
    for number in 0..BACKLOG {
        server.deliver_to("Long", &mail(u32::try_from(number).unwrap()));
    }
    server.deliver_to("Short", &mail(1));
    let held = turns.join().wait().unwrap();
    let threads = [(LONG, "Long"), (SHORT, "Short")].map(|(place, name)| {
        let sink = Count(place, sender.clone());
        let mailbox = mailbox(&server, name, sink, (&clock, &stop), turns.join());
        let thread = thread::spawn(move || mailbox.run());
        // The long one stands in line first.
        while !held.others_wait() {
            thread::yield_now();
        }
        thread
    });
    drop(held);
    let (mut long, mut before_short) = (0, None);
    while long < BACKLOG || before_short.is_none() {
        match delivered.recv_timeout(crate::support::PATIENCE).unwrap() {
            (SHORT, _) => before_short = before_short.or(Some(long)),
            (_, count) => long += count,
        }
    }
    stop.ask();
    for thread in threads {
        thread.join().unwrap();
    }
    let before_short = before_short.unwrap();
    assert!((1..BACKLOG).contains(&before_short), "{before_short}");
    let record = server.record();
    assert_eq!(record.most_logged_in, 1);
    assert_eq!(record.bodies.len(), BACKLOG + 1, "every mail once");
    assert_eq!(record.violations, Vec::<String>::new());
}

#[test]
fn matrix_17_one_mailbox_of_many_is_broken_for_an_hour_and_the_others_go_on() {
    const BROKEN: usize = 3;
    let rounds = Rounds::begin(7);
    rounds.deliver(0);
    rounds.wait_for(7);
    rounds.server.misbehave(Fault::Says {
        to: "EXAMINE \"M3\"",
        line: "NO [SERVERBUG] its index is damaged",
    });
    let mut missed = 0;
    while missed < 5 || *rounds.clocks[BROKEN].waited.lock().unwrap() < Duration::from_secs(3600) {
        missed += 1;
        rounds.deliver(missed);
        let places = rounds.wait_for(6);
        assert!(!places.contains(&BROKEN), "round {missed}: {places:?}");
    }
    rounds.server.heal();
    assert_eq!(
        rounds.wait_for(missed as usize),
        vec![BROKEN; missed as usize],
        "nothing is lost"
    );
    let record = rounds.end();
    // A session that fails is closed without a word, which a busy server may see after the next one's login.
    assert!((2..=3).contains(&record.most_logged_in), "{}", record.most_logged_in);
}

fn listed_account(server: &ImapServer, clock: &Arc<dyn Clock>, stop: &Arc<Stop>, counters: &Arc<Counters>) -> Account {
    Account {
        credentials: credentials(),
        imap: account(server),
        wanted: vec![Wanted::read("INBOX").unwrap(), Wanted::read("J*").unwrap()],
        dial: dialer(clock, stop),
        turns: Turns::new(1),
        counters: Arc::clone(counters),
        clock: Arc::clone(clock),
        until: Until::Stopped,
        random: || 0,
    }
}

#[test]
fn a_defect_while_an_account_is_listed_is_told_and_the_next_listing_comes() {
    let server = ImapServer::start();
    let glass = Sandglass::new();
    let clock = Arc::clone(&glass) as Arc<dyn Clock>;
    let stop = Stop::new();
    let counters: Arc<Counters> = Arc::default();
    let account = listed_account(&server, &clock, &stop, &counters);
    let thread = thread::spawn(move || {
        let mut listings = 0;
        let listed = account.follow(|_| {
            listings += 1;
            if listings == 1 {
                std::panic::resume_unwind(Box::new("a defect"));
            }
            Adjusted::default()
        });
        (listed, listings)
    });
    assert!(glass.waiting() <= Duration::from_secs(4), "it begins again soon");
    let trouble = counters.vitals().troubles.remove(&Concern::Watching).unwrap();
    assert!(trouble.grave && trouble.reason.contains("defect"), "{trouble:?}");
    assert_eq!(counters.get(Counter::Defects), 1);
    glass.turn();
    assert_eq!(glass.waiting(), limits::RELIST);
    assert!(counters.vitals().troubles.is_empty());
    glass.stop();
    assert_eq!(thread.join().unwrap(), (true, 2));
}

#[test]
fn mailboxes_are_listed_again_every_hour_and_sooner_when_one_is_missed() {
    let server = ImapServer::start();
    let glass = Sandglass::new();
    let clock = Arc::clone(&glass) as Arc<dyn Clock>;
    let stop = Stop::new();
    let listings: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let missed = Arc::new(AtomicBool::new(false));
    let counters: Arc<Counters> = Arc::default();
    let account = listed_account(&server, &clock, &stop, &counters);
    let thread = thread::spawn({
        let (listings, missed) = (Arc::clone(&listings), Arc::clone(&missed));
        move || {
            account.follow(|listing| {
                let names = listing.found.iter().map(|found| found.name.to_string()).collect();
                listings.lock().unwrap().push(names);
                let missed = missed.load(Ordering::SeqCst);
                Adjusted {
                    soon: missed,
                    comes_back: false,
                    unwatched: missed.then(|| "J1: no thread".to_owned()),
                }
            });
        }
    });
    assert_eq!(glass.waiting(), limits::RELIST);
    let vitals = counters.vitals();
    let doing = vitals.doing.map(|(doing, _)| doing);
    assert!(
        vitals.opened && doing == Some(Doing::Pause),
        "an hour without an answer is as it should be"
    );
    server.create("J1", "");
    missed.store(true, Ordering::SeqCst);
    glass.turn();
    assert_eq!(glass.waiting(), limits::RELIST_SOON);
    let unwatched = counters.vitals().troubles.remove(&Concern::Watching).unwrap();
    assert!(unwatched.grave && unwatched.reason == "J1: no thread", "{unwatched:?}");
    missed.store(false, Ordering::SeqCst);
    server.misbehave(Fault::ByeOn("LIST"));
    glass.turn();
    assert!(
        glass.waiting() <= Duration::from_secs(2),
        "a listing that failed is no listing"
    );
    glass.turn();
    glass.waiting();
    assert!(counters.vitals().troubles.is_empty());
    glass.stop();
    thread.join().unwrap();
    assert_eq!(
        *listings.lock().unwrap(),
        [vec!["INBOX"], vec!["INBOX", "J1"], vec!["INBOX", "J1"]]
    );
}
