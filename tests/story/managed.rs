//! A configuration that is managed in the cloud: fetched, watched, changed under way, and kept while the cloud is away.

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mailtap::clock::Clock;
use mailtap::cloud::{Managed, Settings};
use mailtap::http::url::Url;
use mailtap::secret::Secret;
use mailtap::supervisor::Sections;
use mailtap::supervisor::signals::Hangup;
use serde_json::{Value, json};

use crate::support::cloud::hive::{GUID, Hive, OID};
use crate::support::collector::Collector;
use crate::support::proxy::Proxy;
use crate::support::sandglass::Sandglass;
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
    start_with(stage, hive, &[])
}

fn start_with(stage: &Stage, hive: &Hive, more: &[String]) -> Collector {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    command.arg("cloud").env("CONF_GUID", GUID).args([
        "conf_guid=env://CONF_GUID".to_owned(),
        format!("oid={OID}"),
        format!("url={}", hive.url()),
        format!("state_dir={}", stage.configuration.state_dir.display()),
    ]);
    command.args(more);
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

#[test]
fn one_that_is_disabled_in_the_same_version_is_not_run() {
    let (stage, hive) = stage();
    let uids = stage.deliver(1);
    let collector = start(&stage, &hive);
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    hive.enable_in_the_same_version(false);
    ask_now(&collector);
    stage.server.wait_until("nobody in IDLE", |record| record.idling == 0);
    hive.enable_in_the_same_version(true);
    ask_now(&collector);
    stage.wait_for_idle();
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn another_mailbox_begins_and_those_that_stay_go_on_as_they_are() {
    let (stage, hive) = stage();
    for name in ["A", "B"] {
        stage.server.create(name, "");
    }
    let of = |names: &[&str]| {
        let mut configuration = configuration(&stage, "");
        configuration["imap"]["inbox_names"] = json!(names);
        configuration
    };
    hive.change(of(&["INBOX", "A"]));
    let collector = start(&stage, &hive);
    stage.server.wait_until("both in IDLE", |record| record.idling == 2);
    hive.change(of(&["INBOX", "B"]));
    ask_now(&collector);
    collector.wait_for_line(&["no longer listed or asked for", "mailbox=A"]);
    stage.server.wait_until("B is open", |record| record.connections >= 3);
    stage.server.deliver_to("B", &mail(1));
    stage.deliver(1);
    stage
        .receiver
        .wait_until("both mails", |record| record.events.len() == 2);
    let examined = |name: &str| {
        let commands = stage.server.record().commands;
        let named = |command: &String| {
            command.trim_end().trim_end_matches('"').ends_with(&format!("\"{name}"))
                || command.trim_end().ends_with(&format!(" {name}"))
        };
        let examines = |command: &&String| command.starts_with("EXAMINE") && named(command);
        commands.iter().filter(examines).count()
    };
    assert_eq!((examined("INBOX"), examined("B")), (1, 1), "INBOX was not opened again");
    ends_well(collector);
}

#[test]
fn health_has_its_own_port_and_is_red_while_no_configuration_is_known() {
    let (stage, hive) = stage();
    hive.fail(Some(403));
    let port = crate::support::port::reserve();
    let collector = start_with(&stage, &hive, &[format!("healthcheck={port}")]);
    collector.wait_for_line(&["none is remembered"]);
    let (status, body) = crate::health::get(port, "/healthz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("conf_guid") && !body.contains(GUID), "{body}");
    hive.fail(None);
    ask_now(&collector);
    stage.wait_for_idle();
    crate::health::wait_for(port, 200);
    // One that cannot be run: the last good one goes on, and that is not as it should be.
    let mut broken = configuration(&stage, "INBOX");
    broken["imap"]["sever"] = json!("x");
    hive.change(broken);
    ask_now(&collector);
    let body = crate::health::wait_for(port, 503);
    assert!(
        body.contains("the configuration is not that which is wanted") && body.contains("sever"),
        "{body}"
    );
    hive.change(configuration(&stage, "INBOX"));
    ask_now(&collector);
    crate::health::wait_for(port, 200);
    assert_eq!(stage.server.record().connections, 1);
    ends_well(collector);
}

#[test]
fn arguments_that_cannot_be_used_are_told_before_anybody_is_contacted() {
    let (stage, hive) = stage();
    for (argument, words) in [
        ("ca_file=/no/such/file", "ca_file"),
        ("healthcheck=70000", "healthcheck: expected a port"),
        ("proxy.url=socks5://127.0.0.1:1", "proxy.url: must begin with http"),
        ("proxy.usrname=x", "did you mean `proxy.username`"),
    ] {
        let (status, lines) = start_with(&stage, &hive, &[argument.to_owned()]).ends();
        assert_eq!(status.code(), Some(2), "{lines:?}");
        assert!(lines[0].contains(words), "{lines:?}");
    }
    assert_eq!(hive.requests(), 0);
}

#[test]
fn the_cloud_is_asked_through_a_proxy() {
    let (stage, hive) = stage();
    let uids = stage.deliver(1);
    let proxy = Proxy::start(None, None, Vec::new());
    let url = format!("proxy.url=http://127.0.0.1:{}", proxy.port());
    let collector = start_with(&stage, &hive, &[url]);
    stage.wait_for_exactly(&uids);
    let connect = format!("CONNECT {} ", hive.url().trim_start_matches("http://"));
    assert!(
        proxy.heads().iter().any(|head| head.starts_with(&connect)),
        "{:?}",
        proxy.heads()
    );
    ends_well(collector);
}

#[test]
fn the_cloud_is_asked_again_after_a_minute_and_not_before() {
    let (stage, hive) = stage();
    hive.enable(false);
    let glass = Sandglass::new();
    let settings = Settings {
        oid: OID.to_owned(),
        guid: Secret::new(GUID.to_owned()),
        address: Url::parse(&format!("{}/v1/hive-public/external_adapter/{OID}", hive.url()), false).unwrap(),
        ca_file: None,
        proxy: None,
        healthcheck: None,
        state_dir: stage.configuration.state_dir.clone(),
    };
    let clock = Arc::clone(&glass) as Arc<dyn Clock>;
    let mut managed = Managed::on_clock(settings, |_| None, Sections::new(), clock).unwrap();
    let hangup = Hangup::default();
    let follows = {
        let hangup = hangup.clone();
        thread::spawn(move || managed.follow(&hangup))
    };
    glass.waiting();
    assert_eq!(hive.requests(), 1);
    // Far fewer than sixty turns of a second only if time passes otherwise; more only if the minute is missed.
    let mut seconds = 0;
    while hive.requests() == 1 {
        assert_eq!(glass.waiting(), Duration::from_secs(1));
        glass.turn();
        glass.waiting();
        seconds += 1;
        assert!(seconds <= 60);
    }
    assert!(seconds > 50, "{seconds}");
    hangup.note();
    glass.turn();
    hive.wait_for(3);
    glass.stop();
    follows.join().unwrap();
}
