//! `mailtap check`: what works, what does not and which setting to change, with nothing sent.

use serde_json::Value;

use crate::once::{mailtap, said};
use crate::support::cloud::Cloud;
use crate::support::proxy::Proxy;
use crate::support::token_endpoint::TokenEndpoint;
use crate::support::{certificates, imap_server, receiver};
use crate::{ServerFault, Stage};

/// The lines of a check that ends with `code`.
fn check(stage: &Stage, code: i32) -> Vec<String> {
    let output = mailtap(stage, &["check"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}\n{}", said(&output));
    assert!(
        !text.contains(receiver::SECRET) && !text.contains(imap_server::PASSWORD),
        "{text}"
    );
    text.lines().map(str::to_owned).collect()
}

/// The line of a step.
fn line<'l>(lines: &'l [String], step: &str) -> &'l str {
    let name = |line: &&String| line.split_whitespace().nth(1) == Some(step);
    lines
        .iter()
        .find(name)
        .unwrap_or_else(|| panic!("no {step} in {lines:#?}"))
}

fn steps(stage: &Stage) -> Vec<Value> {
    let output = mailtap(stage, &["check", "--json"]);
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_untouched(stage: &Stage) {
    assert_eq!(stage.receiver.record().requests, 0);
    assert!(!stage.configuration.state_dir.exists());
    let record = stage.server.record();
    assert_eq!(record.violations, Vec::<String>::new());
    for command in ["SELECT", "STORE", "BODY["] {
        assert!(!record.commands.iter().any(|sent| sent.contains(command)), "{command}");
    }
}

#[test]
fn what_is_right_is_told_step_by_step_and_nothing_is_sent() {
    let stage = Stage::new();
    stage.deliver(12);
    stage.server.create("Archive", "");
    let lines = check(&stage, 0);
    let signs: Vec<_> = lines.iter().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(signs, ['✓', '✓', '✓', '✓', '·', '✓', '·'], "{lines:#?}");
    assert!(line(&lines, "state_dir").ends_with("state: the first start makes it"));
    assert!(line(&lines, "server").ends_with(&format!("localhost:{}, TLS", stage.server.port())));
    assert!(line(&lines, "login").ends_with(imap_server::USER));
    let inbox = line(&lines, "mailbox");
    assert!(
        inbox.contains("INBOX: 12 mails; first start, from zero: 12 mails, "),
        "{inbox}"
    );
    assert!(
        lines[4].contains("not watched") && lines[4].ends_with(": Archive"),
        "{}",
        lines[4]
    );
    assert!(line(&lines, "receiver").contains("the connection works"));
    assert!(
        lines[6].contains("not tried") && lines[6].contains("dest_url"),
        "{}",
        lines[6]
    );
    assert_untouched(&stage);
    assert_eq!(stage.server.record().bodies, Vec::<u32>::new());
}

#[test]
fn a_backlog_behind_the_checkpoint_is_counted_and_its_time_measured() {
    let stage = Stage::new();
    stage.deliver(3);
    assert_eq!(mailtap(&stage, &["imap", "--once"]).status.code(), Some(0));
    let fresh: usize = stage.deliver(250).len();
    let requests = stage.receiver.record().requests;
    stage.server.forget_record();
    let steps = steps(&stage);
    let inbox = steps.iter().find(|step| step["step"] == "mailbox").unwrap();
    assert_eq!((&inbox["mails"], &inbox["to_fetch"]), (&253.into(), &fresh.into()));
    assert_eq!(inbox["start"], serde_json::json!({"how": "go_on", "next_uid": 44}));
    assert_eq!(inbox["uidnext"], 294);
    assert!(inbox["to_fetch_bytes"].as_u64().unwrap() > 100_000, "{inbox}");
    assert!(inbox["seconds"].as_u64().is_some_and(|seconds| seconds < 60), "{inbox}");
    assert_eq!(inbox["works"], true);
    let bodies = stage.server.record().bodies;
    assert!(
        !bodies.is_empty() && bodies.len() <= 200,
        "a sample of {} mails",
        bodies.len()
    );
    assert_eq!(stage.receiver.record().requests, requests);
    // The checkpoint stayed where it was.
    let told = mailtap(&stage, &["state", "--json"]).stdout;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["next_uid"], 44);
}

#[test]
fn a_first_start_from_now_has_nothing_to_fetch_and_says_why() {
    let mut stage = Stage::new();
    stage.configuration.from_zero = false;
    stage.deliver(5);
    let lines = check(&stage, 0);
    let inbox = line(&lines, "mailbox");
    assert!(
        inbox.contains("5 mails; first start, from now on (from_zero"),
        "{inbox}"
    );
    assert!(inbox.ends_with("nothing to fetch"), "{inbox}");
}

#[test]
fn what_is_wrong_is_told_with_its_setting_and_the_rest_is_tried_all_the_same() {
    type Change = fn(&mut Stage);
    let cases: [(Change, &str, &[&str]); 6] = [
        (
            |stage| stage.configuration.server = "localhost:1".to_owned(),
            "server",
            &["localhost:1: connect", "check server", "proxy.url"],
        ),
        (
            |stage| stage.configuration.ca_file = certificates::other_authority(),
            "server",
            &["ca_file"],
        ),
        (
            |stage| stage.configuration.password = "wrong-secret".to_owned(),
            "login",
            &["username and password"],
        ),
        (
            |stage| stage.configuration.inbox_name = Some("Journal".to_owned()),
            "mailbox",
            &["Journal", "inbox_name"],
        ),
        (
            |stage| stage.configuration.dest_url = "https://localhost:1/hook/mail".to_owned(),
            "receiver",
            &["client_options.dest_url", "localhost:1: connect"],
        ),
        (
            |stage| stage.configuration.state_dir = "/proc/mailtap".into(),
            "state_dir",
            &["state_dir: /proc/mailtap"],
        ),
    ];
    for (change, step, words) in cases {
        let mut stage = Stage::new();
        stage.deliver(1);
        change(&mut stage);
        let lines = check(&stage, 1);
        let told = line(&lines, step);
        assert!(told.starts_with('✗'), "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
        assert!(!told.contains("hook/mail"), "{told}");
        // With an authority that signed neither server, the receiver fails as well.
        if step != "server" || words[0] != "ca_file" {
            assert_eq!(
                lines.iter().filter(|line| line.starts_with('✗')).count(),
                1,
                "{lines:#?}"
            );
        }
        line(&lines, "receiver");
        assert_untouched(&stage);
    }
}

#[test]
fn a_pattern_that_matches_nothing_is_a_failure_that_shows_what_there_is() {
    let mut stage = Stage::new();
    stage.configuration.inbox_names = vec!["Journal/*".to_owned()];
    let lines = check(&stage, 1);
    assert!(line(&lines, "mailboxes").contains("inbox_names"));
    assert!(lines.iter().any(|line| line.contains("leave out: INBOX")), "{lines:#?}");
}

#[test]
fn a_server_that_hangs_up_in_the_middle_is_told() {
    let stage = Stage::new();
    stage.server.misbehave(ServerFault::ByeOn("STATUS"));
    let lines = check(&stage, 1);
    assert!(line(&lines, "login").starts_with('✓'));
    assert!(line(&lines, "mailboxes").contains("ended the session"), "{lines:#?}");
    assert!(line(&lines, "receiver").starts_with('✓'));
}

#[test]
fn limacharlie_s_websocket_is_opened_and_no_sensor_is_told_of() {
    let mut stage = Stage::new();
    let cloud = Cloud::start();
    stage.configuration.dest_url = cloud.url();
    stage.configuration.lc_secret = String::new();
    let lines = check(&stage, 0);
    assert!(line(&lines, "receiver").contains("the WebSocket works"), "{lines:#?}");
    assert!(lines.last().unwrap().contains("client_options.identity"));
    cloud.wait_until("the goodbye", |record| record.closes == [1000]);
    assert_eq!((cloud.record().hellos.len(), cloud.record().messages.len()), (0, 0));
}

#[test]
fn the_proxy_is_a_step_of_its_own() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(None, None, Vec::new());
    stage.configuration.more = vec![format!("proxy: {{url: 'http://localhost:{}'}}", proxy.port())];
    let lines = check(&stage, 0);
    let told = line(&lines, "proxy");
    assert!(told.starts_with('✓') && told.contains("(proxy) opens"), "{told}");
    assert_eq!(proxy.heads().len(), 1);

    stage.configuration.more = vec!["proxy: {url: 'http://localhost:1'}".to_owned()];
    let lines = check(&stage, 1);
    let told = line(&lines, "proxy");
    assert!(told.starts_with('✗') && told.contains("proxy.url"), "{told}");
}

#[test]
fn a_token_endpoint_that_refuses_is_told_before_the_server_is_asked() {
    let stage = Stage::new();
    let refusing = TokenEndpoint::start(&[(400, r#"{"error":"invalid_grant"}"#)]);
    let password = format!("  password: {}\n", Value::from(imap_server::PASSWORD));
    let oauth = format!(
        "  oauth: {{token_url: '{}', client_id: c, client_secret: a-secret, refresh_token: a-token}}\n",
        refusing.url()
    );
    let yaml = stage.configuration.yaml().replace(&password, &oauth);
    let file = stage.folder.write("oauth.yaml", yaml);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailtap"))
        .arg("check")
        .arg(file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("✗ token ") && text.contains("invalid_grant"), "{text}");
    assert_eq!(stage.server.record().connections, 0);
}

#[test]
fn a_port_that_is_taken_fails_unless_the_mailtap_that_runs_has_it() {
    let mut stage = Stage::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    stage.configuration.more.push(format!("healthcheck: {port}"));
    let lines = check(&stage, 1);
    let told = line(&lines, "healthcheck");
    assert!(
        told.starts_with('✗') && told.contains(&format!("127.0.0.1:{port}")),
        "{told}"
    );
    drop(taken);
    assert!(line(&check(&stage, 0), "healthcheck").starts_with('✓'));
    let collector = stage.start();
    stage.wait_for_idle();
    let told = check(&stage, 0);
    let told = told
        .iter()
        .find(|line| line.contains("taken, perhaps by the mailtap"))
        .unwrap();
    assert!(told.starts_with('·'), "{told}");
    crate::ends_well(collector);
}

#[test]
fn a_mailbox_that_mails_are_to_be_moved_to_must_be_there() {
    let mut stage = Stage::new();
    stage.configuration.more.push("after_delivery: move:Done".to_owned());
    let lines = check(&stage, 1);
    let told = lines.iter().find(|line| line.contains("no mailbox Done")).unwrap();
    assert!(told.starts_with('✗') && told.contains("after_delivery"), "{told}");
    stage.server.create("Done", "");
    let lines = check(&stage, 0);
    let told = lines.iter().find(|line| line.contains("mailbox Done")).unwrap();
    assert!(
        told.starts_with('✓') && told.contains("there is a mailbox Done"),
        "{told}"
    );
}
