//! Attachments in LimaCharlie's artifact store, before the event that names them: the real binary, which asks the directory,
//! through a proxy that knows where `api.limacharlie.io` is.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailtap::http::url::Url;
use mailtap::limits;
use mailtap::metrics::Concern;
use mailtap::secret::Secret;
use mailtap::sink::artifact;
use serde_json::Value;

use crate::dead_letters::letters;
use crate::ends_well;
use crate::support::certificates::Certificate;
use crate::support::cloud::Cloud;
use crate::support::cloud::frames::Payload;
use crate::support::cloud::organisation::{INGEST_KEY, OID, Organisation};
use crate::support::collector::{Collector, Configuration};
use crate::support::destination::named;
use crate::support::folder::Folder;
use crate::support::imap_server::ImapServer;
use crate::support::proxy::Proxy;
use crate::support::receiver::{Receiver, sha256};
use crate::watch::Watch;

struct Stage {
    server: ImapServer,
    cloud: Cloud,
    organisation: Organisation,
    _proxy: Proxy,
    folder: Folder,
    configuration: Configuration,
}

impl Stage {
    fn new() -> Stage {
        let server = ImapServer::start();
        let cloud = Cloud::start();
        let organisation = Organisation::start(cloud.port(), Certificate::Directory);
        let folder = Folder::new("artifacts");
        let mut configuration = Configuration::between(&server, &Receiver::start(), &folder.path().join("state"));
        // LimaCharlie's protocol, wherever the directory says that it is.
        configuration.dest_url = String::new();
        configuration.lc_secret = String::new();
        let proxy = organisation.configure(&mut configuration, &folder);
        configuration.more.push("attachment_retention_days: 30".to_owned());
        Stage {
            server,
            cloud,
            organisation,
            _proxy: proxy,
            folder,
            configuration,
        }
    }

    fn start(&self) -> Collector {
        let file = self.folder.write("mailtap.yaml", self.configuration.yaml());
        Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file)
    }

    /// The events in the order of their arrival.
    fn events(&self) -> Vec<Value> {
        let events = self
            .cloud
            .record()
            .messages
            .into_iter()
            .map(|message| match message.payload {
                Payload::Event(event) => event,
                Payload::Mail(_) => panic!("a mail as it is"),
            });
        events.collect()
    }

    fn wait_for_events(&self, count: usize) {
        self.cloud
            .wait_until("the events", |record| record.messages.len() >= count);
    }

    fn no_violations(&self) {
        assert_eq!(self.cloud.record().violations, Vec::<String>::new());
        assert_eq!(self.organisation.record().violations, Vec::<String>::new());
        assert_eq!(self.server.record().violations, Vec::<String>::new());
    }
}

/// More than two parts, and other bytes everywhere.
fn large() -> Vec<u8> {
    (0..5 << 19)
        .map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// A mail with text, a large attachment, a named text, and a mail inside that has one without a name.
fn mail_with_attachments() -> Vec<u8> {
    let lines: Vec<String> = STANDARD.encode(large()).as_bytes().chunks(76).map(line).collect();
    let large = lines.join("\r\n");
    format!(
        "Subject: attachments\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n\
         --b\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{large}\r\n\
         --b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"../../notes.txt\"\r\n\r\nnotes\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
         --c\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--c--\r\n--b--\r\n"
    )
    .into_bytes()
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_attachment_is_in_the_store_before_the_event_that_names_it_also_after_a_kill_and_a_restart() {
    let stage = Stage::new();
    stage.server.deliver(&mail_with_attachments());
    stage.organisation.fail(Some(503));
    for _ in 0..2 {
        let before = stage.organisation.record().requests;
        let collector = stage.start();
        stage
            .organisation
            .wait_until("two attempts", |record| record.requests >= before + 2);
        assert_eq!(stage.events(), Vec::<Value>::new(), "no event before its attachments");
        collector.kill();
    }
    let collector = stage.start();
    let before = stage.organisation.record().requests;
    stage
        .organisation
        .wait_until("an attempt", |record| record.requests > before);
    stage.organisation.cut_connections();
    stage.organisation.fail(None);
    stage.wait_for_events(1);
    // The same again: it is there already.
    let requests = stage.organisation.record().requests;
    stage.server.deliver(&mail_with_attachments());
    stage.wait_for_events(2);
    ends_well(collector);
    stage.no_violations();
    let record = stage.organisation.record();
    assert_eq!((record.requests, record.again), (requests, 0), "once is enough");
    let [large, notes, picture] = [large(), b"notes".to_vec(), b"\x89PNG".to_vec()].map(|content| {
        let artifact = record.artifacts[&sha256(&content)].clone();
        assert!(artifact.content == content);
        assert_eq!(artifact.retention_days.as_deref(), Some("30"));
        artifact
    });
    assert_eq!((large.path.as_str(), large.parts), ("report.pdf", 3));
    assert_eq!((notes.path.as_str(), notes.parts), ("notes.txt", 1));
    assert_eq!(picture.path, sha256(b"\x89PNG"));
    assert_eq!(record.artifacts.len(), 3);
    for event in stage.events() {
        let mut named = named(&event);
        named.sort_unstable();
        assert!(named.iter().eq(record.artifacts.keys()), "{named:?}");
    }
}

#[test]
fn a_stop_while_the_store_is_away_loses_nothing_and_a_wrong_key_names_its_setting() {
    let stage = Stage::new();
    stage.server.deliver(&mail_with_attachments());
    stage.organisation.fail(Some(401));
    let collector = stage.start();
    collector.wait_for_line(&["attachment not stored", "attachment_ingest_key", "401"]);
    ends_well(collector);
    assert_eq!(stage.events(), Vec::<Value>::new());
    stage.organisation.fail(None);
    let collector = stage.start();
    stage.wait_for_events(1);
    ends_well(collector);
    assert_eq!(named(&stage.events()[0]).len(), 3);
    stage.no_violations();
}

/// A mailbox of one mail with attachments, on a clock that the test turns.
fn watch(organisation: &Organisation) -> Watch {
    let mut watch = Watch::new(0);
    watch.server.deliver(&mail_with_attachments());
    let directory = format!("https://localhost:{}/v1/orgs/{OID}/url", organisation.port());
    let settings = artifact::Settings {
        oid: OID.to_owned(),
        ingest_key: Secret::new(INGEST_KEY.to_owned()),
        retention_days: None,
        hostname: "collector".to_owned(),
        directory: Url::parse(&directory, false).unwrap(),
    };
    watch.artifacts = Some(settings);
    watch
}

#[test]
fn what_the_store_refuses_three_times_stays_unnamed_and_the_event_goes_out() {
    let organisation = Organisation::start(1, Certificate::Good);
    organisation.fail(Some(413));
    let mut watch = watch(&organisation);
    watch.begin_well();
    // Two waits for each of three.
    for _ in 0..6 {
        assert!(watch.glass.waiting() <= Duration::from_secs(4));
        assert_eq!(watch.receiver.look(|record| record.events.len()), 0);
        watch.glass.turn();
    }
    watch.wait_for_events(1);
    watch.wait_for_idle();
    let events = watch.receiver.record().events;
    assert_eq!(named(&events[0].event), Vec::<String>::new());
    assert!(!watch.counters.vitals().troubles.contains_key(&Concern::Storing));
    assert_eq!(organisation.record().requests, 9);
}

#[test]
fn matrix_12_attachments_that_no_disk_can_keep_are_given_up_and_the_event_goes_out() {
    let organisation = Organisation::start(1, Certificate::Good);
    let mut watch = watch(&organisation);
    watch.spool_in = Some("/nowhere/at/all".into());
    watch.server.deliver(&crate::mail(1));
    watch.begin_well();
    for _ in 1..limits::SPOOL_ATTEMPTS {
        assert!(
            watch.glass.waiting() >= Duration::from_secs(20),
            "it is fetched again, but slowly"
        );
        watch.glass.turn();
    }
    watch.wait_for_events(2);
    watch.wait_for_idle();
    let events = watch.receiver.record().events;
    assert!(events.iter().all(|event| named(&event.event).is_empty()));
    assert_eq!(organisation.record().requests, 0);
    let bodies = watch.server.record().bodies;
    let times = u32::try_from(bodies.iter().filter(|uid| **uid == 1).count()).unwrap();
    assert_eq!(times, limits::SPOOL_ATTEMPTS);
    assert_eq!(letters(&watch), [], "a disk makes no gap");
}
