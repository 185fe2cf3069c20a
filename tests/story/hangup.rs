//! SIGHUP: the configuration is read again, with the files that it refers to, and only what is different in it begins anew.

use std::fs;
use std::process::Command;

use crate::support::certificates::{self, Certificate};
use crate::support::collector::Collector;
use crate::{Stage, ends_well, health, mail};

pub fn hang_up(collector: &Collector) {
    let kill = format!("kill -HUP {}", collector.process_id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// A stage whose password is in a file.
fn stage() -> (Stage, std::path::PathBuf) {
    let mut stage = Stage::new();
    let password = stage.folder.write("password", &stage.configuration.password);
    stage.configuration.password = format!("file://{}", password.display());
    (stage, password)
}

#[test]
fn a_password_that_was_changed_is_taken_up_and_what_did_not_change_goes_on() {
    let (mut stage, password) = stage();
    stage.server.create("Other", "");
    let port = crate::support::port::reserve();
    stage.configuration.more.push(format!("healthcheck: {port}"));
    let first = stage.configuration.yaml();
    let mut other = stage.configuration.clone();
    other.inbox_name = Some("Other".to_owned());
    other.password = crate::imap_server::PASSWORD.to_owned();
    // Sections that get into an account by the same way share its connections, and begin anew together.
    other.more.push("compress: true".to_owned());
    let both = format!("{first}\n---\n{}", other.yaml());
    let file = stage.folder.write("mailtap.yaml", both);
    let mut uids = stage.deliver(1);
    let collector = Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file);
    stage.server.wait_until("both in IDLE", |record| record.idling == 2);
    stage.wait_for_exactly(&uids);

    // The old one is refused from now on, but for whoever is logged in.
    stage.server.set_password("wrong-secret, and right from now on");
    fs::write(&password, "wrong-secret, and right from now on").unwrap();
    hang_up(&collector);
    collector.wait_for_line(&["read again"]);
    stage
        .server
        .wait_until("a session with the new password", |record| record.connections == 3);
    stage.server.wait_until("both in IDLE", |record| record.idling == 2);
    health::wait_for(port, 200);
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    // The other one did not change, and is still where it was.
    stage.server.deliver_to("Other", &mail(1));
    stage.receiver.wait_until("its mail", |record| record.events.len() == 3);
    assert_eq!(stage.server.record().connections, 3);
    assert_eq!(stage.duplicates(), 0);
    ends_well(collector);
}

#[test]
fn an_authority_that_was_renewed_is_taken_up() {
    let mut stage = Stage::new();
    stage.configuration.dest_url = "stdout:".to_owned();
    stage.configuration.lc_secret = String::new();
    let ca_file = stage.folder.path().join("ca.pem");
    fs::copy(certificates::authority(), &ca_file).unwrap();
    stage.configuration.ca_file = ca_file.clone();
    let (collector, port) = health::begin(&mut stage);
    stage.wait_for_idle();
    stage.server.set_certificate(Certificate::Renewed);
    fs::copy(certificates::renewed_authority(), &ca_file).unwrap();
    hang_up(&collector);
    stage
        .server
        .wait_until("a session with the new certificate", |record| record.connections == 2);
    stage.wait_for_idle();
    health::wait_for(port, 200);
    ends_well(collector);
}

#[test]
fn a_configuration_that_became_wrong_is_told_and_the_last_good_one_goes_on() {
    let (mut stage, password) = stage();
    let (collector, port) = health::begin(&mut stage);
    stage.wait_for_idle();
    health::wait_for(port, 200);
    fs::rename(&password, password.with_extension("away")).unwrap();
    hang_up(&collector);
    collector.wait_for_line(&["cannot be read again", "password"]);
    let body = health::wait_for(port, 503);
    assert!(body.contains("the configuration is not that which is wanted"), "{body}");
    let uids = stage.deliver(1);
    stage.wait_for_exactly(&uids);
    fs::rename(password.with_extension("away"), &password).unwrap();
    hang_up(&collector);
    health::wait_for(port, 200);
    assert_eq!(stage.server.record().connections, 1);
    ends_well(collector);
}
