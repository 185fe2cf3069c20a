//! A configuration that is managed in the cloud: fetched, watched, changed under way, and kept while the cloud is away.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::cloud::hive::{GUID, Hive, OID};
use crate::support::collector::Collector;
use crate::{Stage, ended_well, mail};

/// What the cloud has to say, for a stage.
fn configuration(stage: &Stage, inbox_name: &str) -> Value {
    let settings = &stage.configuration;
    json!({
        "sensor_type": "imap",
        "imap": {
            "server": settings.server,
            "username": settings.username,
            "password": settings.password,
            "inbox_name": inbox_name,
            "from_zero": true,
            "ca_file": settings.ca_file,
            "state_dir": settings.state_dir,
            "client_options": {
                "identity": {"oid": OID},
                "dest_url": settings.dest_url,
                "lc_secret": settings.lc_secret,
            },
        },
    })
}

fn stage() -> (Stage, Hive) {
    let stage = Stage::new();
    stage.server.create("Journal", "");
    let hive = Hive::start(configuration(&stage, "INBOX"));
    (stage, hive)
}

fn start(stage: &Stage, hive: &Hive) -> Collector {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    command.arg("cloud").env("CONF_GUID", GUID).args([
        "conf_guid=env://CONF_GUID".to_owned(),
        format!("oid={OID}"),
        format!("url={}", hive.url()),
        format!("state_dir={}", stage.configuration.state_dir.display()),
    ]);
    Collector::run(command)
}

/// SIGHUP: the cloud is asked at once.
fn ask_now(collector: &Collector) {
    let kill = format!("kill -HUP {}", collector.process_id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

fn ends_well(collector: Collector) {
    assert!(!collector.lines().join("\n").contains(GUID));
    collector.ask_to_stop();
    ended_well(collector);
}

#[test]
fn it_is_fetched_and_run_and_nothing_is_restarted_while_it_stays_the_same() {
    let (stage, hive) = stage();
    let mut uids = stage.deliver(3);
    let collector = start(&stage, &hive);
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    for requests in 2..4 {
        ask_now(&collector);
        let forms = hive.wait_for(requests);
        assert_eq!(forms[0], format!("guid={GUID}"));
        assert_eq!(forms[requests - 1], format!("guid={GUID}&etag=v1"));
    }
    // Another version that says the same.
    hive.change(configuration(&stage, "INBOX"));
    ask_now(&collector);
    hive.wait_for(4);
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ask_now(&collector);
    assert_eq!(hive.wait_for(5)[4], format!("guid={GUID}&etag=v2"));
    assert_eq!(stage.server.record().connections, 1);
    ends_well(collector);
}

#[test]
fn a_change_restarts_what_changed_and_a_disabled_one_is_not_run() {
    let (stage, hive) = stage();
    let mut uids = stage.deliver(2);
    let collector = start(&stage, &hive);
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    stage.server.deliver_to("Journal", &mail(7));
    hive.change(configuration(&stage, "Journal"));
    ask_now(&collector);
    stage
        .receiver
        .wait_until("the other mailbox", |record| record.events.len() == 3);
    let last = stage.receiver.record().events.pop().unwrap();
    assert_eq!(last.event["routing"]["mailbox"], "Journal");

    hive.enable(false);
    ask_now(&collector);
    collector.wait_for_line(&["gave a configuration", "enabled=false"]);
    stage.server.wait_until("nobody in IDLE", |record| record.idling == 0);
    hive.enable(true);
    hive.change(configuration(&stage, "INBOX"));
    uids.extend(stage.deliver(1));
    ask_now(&collector);
    stage
        .receiver
        .wait_until("the mail that came meanwhile", |record| record.events.len() == 4);
    assert_eq!(stage.duplicates(), 0);
    ends_well(collector);
}

#[test]
fn the_last_good_one_goes_on_while_the_cloud_is_away_or_says_what_cannot_be_run_and_after_a_restart() {
    let (stage, hive) = stage();
    let mut uids = stage.deliver(2);
    let collector = start(&stage, &hive);
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    let mut broken = configuration(&stage, "INBOX");
    broken["imap"]["sever"] = json!("x");
    hive.change(broken);
    ask_now(&collector);
    let line = collector.wait_for_line(&["cannot be run", "sever"]);
    assert!(line.contains("last good one"), "{line}");
    hive.fail(Some(500));
    ask_now(&collector);
    collector.wait_for_line(&["going on with the last good one", "500"]);
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    assert_eq!(stage.server.record().connections, 1);
    ends_well(collector);

    uids.extend(stage.deliver(1));
    let collector = start(&stage, &hive);
    collector.wait_for_line(&["going on with the last good one", "500"]);
    stage.wait_for_exactly(&uids);
    assert_eq!(stage.duplicates(), 0);
    ends_well(collector);
}

#[test]
fn a_guid_that_nobody_knows_is_told_and_nothing_is_run() {
    let (stage, hive) = stage();
    hive.fail(Some(403));
    let collector = start(&stage, &hive);
    let line = collector.wait_for_line(&["none is remembered"]);
    assert!(line.contains("conf_guid") && line.contains("403"), "{line}");
    ends_well(collector);
    assert_eq!(stage.server.record().connections, 0);
}
