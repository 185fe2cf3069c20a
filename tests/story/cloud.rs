//! LimaCharlie's own protocol: the real binary between the IMAP server and the cloud of `support`.

use std::fs;
use std::process::Command;
use std::thread;

use crate::health::get;
use crate::support::cloud::frames::{Payload, frame};
use crate::support::cloud::{self, Cloud, Fault, Occasion, WINDOW};
use crate::support::collector::{Collector, Configuration};
use crate::support::folder::Folder;
use crate::support::imap_server::ImapServer;
use crate::support::receiver::Receiver;
use crate::{ended_well, ends_well, mail};

struct Stage {
    server: ImapServer,
    cloud: Cloud,
    folder: Folder,
    configuration: Configuration,
}

impl Stage {
    /// From zero, mail as it is.
    fn new() -> Stage {
        let server = ImapServer::start();
        server.skip_uids_to(41);
        let cloud = Cloud::start();
        let folder = Folder::new("cloud");
        let mut configuration = Configuration::between(&server, &Receiver::start(), &folder.path().join("state"));
        configuration.platform = "email";
        configuration.dest_url = cloud.url();
        configuration.lc_secret = String::new();
        Stage {
            server,
            cloud,
            folder,
            configuration,
        }
    }

    fn start(&self) -> Collector {
        let file = self.folder.write("mailtap.yaml", self.configuration.yaml());
        Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file)
    }

    /// Puts mails into the mailbox, numbered as asked for.
    fn deliver(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.server.deliver(&mail(number));
        }
    }

    /// Waits until exactly the mails 0 to `count` have been stored, and checks that neither protocol was violated.
    fn wait_for_exactly(&self, count: u32) {
        self.cloud
            .wait_until("every mail", |record| record.messages.len() >= count as usize);
        let record = self.cloud.record();
        let mut stored = record.mails();
        stored.sort_unstable();
        let mut expected: Vec<Vec<u8>> = (0..count).map(mail).collect();
        expected.sort_unstable();
        assert_eq!(stored, expected);
        assert_eq!(record.violations, Vec::<String>::new());
        assert_eq!(self.server.record().violations, Vec::<String>::new());
    }

    fn wait_for_idle(&self) {
        self.server.wait_until("a session in IDLE", |record| record.idling == 1);
    }
}

#[test]
fn mail_arrives_to_the_byte_the_window_is_used_and_a_restart_repeats_nothing() {
    let stage = Stage::new();
    stage.deliver(0..300);
    let collector = stage.start();
    stage.wait_for_exactly(300);
    stage.wait_for_idle();
    stage.deliver(300..301);
    stage.wait_for_exactly(301);
    ends_well(collector);

    stage.deliver(301..303);
    let collector = stage.start();
    stage.wait_for_exactly(303);
    ends_well(collector);
    let record = stage.cloud.record();
    assert_eq!((record.duplicates, record.connections), (0, 2));
    assert_eq!(record.closes, [1000, 1000], "a goodbye each time");
    // More than the window would be a violation; how much of it is used, on loopback, is for the scheduler to say.
    assert!(record.in_flight > 1, "{}", record.in_flight);
    let hello = &record.hellos[0];
    assert_eq!(
        (
            &hello["platform"],
            &hello["host_name"],
            &hello["sensor_seed_key"],
            &hello["architecture"]
        ),
        (
            &"email".into(),
            &"collector".into(),
            &"seed".into(),
            &"usp_adapter".into()
        )
    );
    assert_ne!(record.hellos[0]["instance_id"], record.hellos[1]["instance_id"]);
    assert!(
        record
            .messages
            .iter()
            .all(|message| message.time > Some(1_000_000_000_000))
    );
}

#[test]
fn another_platform_gets_events() {
    let mut stage = Stage::new();
    stage.configuration.platform = "json";
    let uid = stage.server.deliver(&mail(0));
    let collector = stage.start();
    stage
        .cloud
        .wait_until("the event", |record| !record.messages.is_empty());
    ends_well(collector);
    let record = stage.cloud.record();
    let Payload::Event(event) = &record.messages[0].payload else {
        panic!("{record:?}")
    };
    assert_eq!(event["headers"]["subject"][0], "mail 0");
    assert!(
        event["parts"][0]["body_text"]
            .as_str()
            .unwrap()
            .starts_with("This is line 0")
    );
    assert_eq!(
        (&event["routing"]["uid"], &event["routing"]["hostname"]),
        (&uid.into(), &"collector".into())
    );
    assert_eq!(record.violations, Vec::<String>::new());
}

#[test]
fn matrix_1_killed_in_the_middle_it_loses_nothing_and_repeats_what_may_have_been_in_flight() {
    let stage = Stage::new();
    let kills: u32 = 6;
    for round in 0..kills {
        stage.deliver(round * 40..(round + 1) * 40);
        let collector = stage.start();
        let seen = stage.cloud.look(|record| record.messages.len());
        stage
            .cloud
            .wait_until("some of this round", |record| record.messages.len() > seen);
        collector.kill();
    }
    let collector = stage.start();
    stage.wait_for_exactly(240);
    // It may all have come before.
    collector.wait_for_line(&["caught up"]);
    ends_well(collector);
    // A window, and what was acknowledged just before.
    let most = u64::from(kills) * (WINDOW + mailtap::limits::UNREMEMBERED as u64);
    let duplicates = stage.cloud.record().duplicates as u64;
    assert!(duplicates <= most, "{duplicates}");
}

#[test]
fn matrix_1_killed_with_a_part_of_the_window_acknowledged_it_repeats_the_other_part() {
    let stage = Stage::new();
    stage.deliver(0..60);
    let mut come = 0;
    stage.cloud.misbehave_by(move |occasion| {
        come += u32::from(occasion == Occasion::Message);
        (come == 31).then_some(Fault::Mute)
    });
    let collector = stage.start();
    // What is acknowledged reaches the disk although the rest is waited for: 30 mails from 41 on.
    let folder = stage.folder.path().join("state");
    wait_until(|| {
        let files = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| fs::read_to_string(path).ok())
            .any(|text| text.replace(' ', "").contains("\"next_uid\":71"))
    });
    collector.kill();
    let before = stage.cloud.record();
    assert!(before.stored > 30, "{}", before.stored);
    let collector = stage.start();
    stage.wait_for_exactly(60);
    ends_well(collector);
    assert_eq!(stage.cloud.record().duplicates, before.stored - 30);
}

#[test]
fn matrix_2_asked_to_stop_with_mail_in_flight_it_waits_for_the_acknowledgements_and_repeats_nothing() {
    let stage = Stage::new();
    stage.deliver(0..2_000);
    let collector = stage.start();
    stage.cloud.wait_until("some", |record| record.stored > 100);
    ends_well(collector);
    let stored = stage.cloud.look(|record| record.stored);
    let collector = stage.start();
    stage.wait_for_exactly(2_000);
    ends_well(collector);
    let record = stage.cloud.record();
    assert_eq!((record.stored, record.duplicates), (2_000, 0), "{stored} before");
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let patience = std::time::Instant::now() + crate::support::PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < patience, "waited in vain");
        thread::yield_now();
    }
}

/// As far as it takes no minutes; what does is with the sink's own tests.
#[test]
fn matrix_11_whatever_the_cloud_does_no_mail_is_lost_and_none_under_two_sequences() {
    let say = |control: &str| Fault::Say(vec![control.to_owned()]);
    let faults = [
        Fault::NoHandshake,
        Fault::CutBeforeStoring,
        Fault::CutAfterStoring,
        Fault::Reconnect,
        Fault::Close(1000),
        Fault::Close(1001),
        Fault::Close(1011),
        Fault::Fragmented,
        say(r#"{"v":"bo","dur":1}"#),
        say(r#"{"v":"error","err":"something"}"#),
        say(r#"{"v":"unheard of"}"#),
        say(r#"{"v":"ack","x":0}"#),
        say(r#"{"v":"ack","x":99999}"#),
        say("this is no JSON"),
        Fault::Say(vec![
            r#"{"v":"fl","win":0}"#.to_owned(),
            r#"{"v":"fl","win":3}"#.to_owned(),
        ]),
        // A ping that is too large, and a control as binary: the protocol's are text.
        Fault::Violate(frame(9, true, &[0; 126])),
        Fault::Violate(frame(2, true, br#"{"v":"ack","x":0}"#)),
        Fault::Violate(frame(1, true, b"\xff")),
        Fault::Violate(vec![0xc1, 0]),
    ];
    // Each is followed by some seconds of patience: all at once.
    thread::scope(|scope| {
        for fault in &faults {
            scope.spawn(move || one_goes_wrong(fault));
        }
    });
}

fn one_goes_wrong(fault: &Fault) {
    let stage = Stage::new();
    stage.deliver(0..30);
    stage.cloud.misbehave_once(fault.clone());
    let collector = stage.start();
    stage.wait_for_exactly(30);
    let record = stage.cloud.record();
    assert_eq!(record.faults_struck, 1, "{fault:?}");
    // What was in flight may come again, nothing else.
    assert!(record.duplicates as u64 <= WINDOW, "{fault:?}: {}", record.duplicates);
    ends_well(collector);
}

#[test]
fn matrix_11_a_refused_sensor_names_the_setting_and_is_tried_again() {
    let stage = Stage::new();
    stage.deliver(0..1);
    stage.cloud.misbehave_once(Fault::RefuseSensor);
    let collector = stage.start();
    let line = collector.wait_for_line(&["not delivered", "client_options.identity", "no such key"]);
    assert!(line.contains("in_seconds"), "{line}");
    collector.ask_to_stop();
    ended_well(collector);
}

#[test]
fn a_refused_sensor_is_red_also_while_no_mail_comes() {
    let mut stage = Stage::new();
    let port = crate::support::port::reserve();
    stage.configuration.more.push(format!("healthcheck: {port}"));
    stage.cloud.misbehave_once(Fault::RefuseSensor);
    let collector = stage.start();
    collector.wait_for_line(&["the receiver cannot be reached", "client_options.identity"]);
    wait_until(|| {
        let (status, body) = get(port, "/healthz");
        status == 503 && body.contains("no such key")
    });
    stage.deliver(0..1);
    stage.wait_for_exactly(1);
    wait_until(|| get(port, "/healthz").0 == 200);
    ends_well(collector);
}

#[test]
fn each_mailbox_is_a_sensor_of_its_own() {
    let mut stage = Stage::new();
    stage.configuration.inbox_names = vec!["INBOX".to_owned(), "Journal".to_owned()];
    stage.server.create("Journal", "");
    stage.server.deliver(&mail(0));
    stage.server.deliver_to("Journal", &mail(1));
    let collector = stage.start();
    stage.wait_for_exactly(2);
    ends_well(collector);
    let mut sensors: Vec<(String, String)> = Vec::new();
    for hello in stage.cloud.record().hellos {
        let text = |key: &str| hello[key].as_str().unwrap().to_owned();
        sensors.push((text("sensor_seed_key"), text("host_name")));
    }
    sensors.sort();
    let sensor = |name: &str| (format!("seed/{name}"), name.to_owned());
    assert_eq!(sensors, [sensor("INBOX"), sensor("Journal")]);
}

#[test]
fn compressed_mail_arrives_to_the_byte() {
    let mut stage = Stage::new();
    stage.configuration.more_options = vec!["is_compressed: true".to_owned()];
    stage.deliver(0..50);
    let collector = stage.start();
    stage.wait_for_exactly(50);
    ends_well(collector);
    assert_eq!(stage.cloud.record().hellos[0]["is_compressed"], true);
}

#[test]
fn a_mail_that_is_too_large_for_the_cloud_becomes_a_dead_letter_and_holds_up_no_other() {
    let mut stage = Stage::new();
    stage.cloud = Cloud::with(cloud::Settings {
        largest: Some(50_000),
        ..cloud::Settings::default()
    });
    stage.configuration.dest_url = stage.cloud.url();
    stage.deliver(0..6);
    let mut large = mail(6);
    large.extend(b"One line more.\r\n".repeat(5_000));
    stage.server.deliver(&large);
    stage.deliver(6..10);
    let collector = stage.start();
    collector.wait_for_line(&["written to the dead-letter file", "no message that large"]);
    stage.wait_for_exactly(10);
    stage.wait_for_idle();
    ends_well(collector);
}
