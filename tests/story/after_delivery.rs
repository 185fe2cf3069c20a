//! `after_delivery`: what is done with mails once the receiver has them, and never before.

use std::fs;
use std::process::Command;

use crate::dead_letters::file_of;
use crate::support::imap_server::{Access, Settings};
use crate::support::receiver;
use crate::{ReceiverFault, ServerFault, Stage, ends_well};

fn stage(after_delivery: &str, extensions: &[&'static str]) -> Stage {
    let server = Settings {
        access: Access::Writes,
        extensions: extensions.to_vec(),
        ..Settings::default()
    };
    let mut stage = Stage::with(server, receiver::Settings::default());
    let setting = format!("after_delivery: '{after_delivery}'");
    stage.configuration.more.push(setting);
    stage
}

/// The commands that begin with `name`.
fn commands(stage: &Stage, name: &str) -> Vec<String> {
    let commands = stage.server.record().commands.into_iter();
    commands.filter(|command| command.starts_with(name)).collect()
}

#[test]
fn delivered_mails_are_seen_and_a_restart_repeats_nothing() {
    for (setting, flag) in [("seen", "\\Seen"), ("flag:$Collected", "$Collected")] {
        let stage = stage(setting, &[]);
        let mut uids = stage.deliver(1200);
        let collector = stage.start();
        stage.server.wait_for_flag(flag, &uids);
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.server.wait_for_flag(flag, &uids);
        stage.wait_for_exactly(&uids);
        ends_well(collector);
        assert_eq!(commands(&stage, "EXAMINE"), Vec::<String>::new());

        // The server may see the end of the first session late.
        stage.server.wait_until("nobody in IDLE", |record| record.idling == 0);
        stage.server.forget_record();
        let collector = stage.start();
        stage.wait_for_idle();
        ends_well(collector);
        assert_eq!(commands(&stage, "UID STORE"), Vec::<String>::new());
        assert_eq!((stage.duplicates(), stage.server.record().bodies.len()), (0, 0));
    }
}

#[test]
fn delivered_mails_are_moved_and_that_is_no_gap() {
    for extensions in [&["MOVE"][..], &["UIDPLUS", "MOVE"], &["UIDPLUS"]] {
        let mut stage = stage("move:Done", extensions);
        stage.server.create("Done", "");
        // Another client's, marked by it, and none of our business.
        let theirs = stage.deliver(1)[0];
        stage.server.flag(theirs, "\\Deleted");
        stage.configuration.from_zero = false;
        let collector = stage.start();
        stage.wait_for_idle();
        let mut uids = stage.deliver(7);
        stage.server.wait_for_mails("Done", 7);
        uids.extend(stage.deliver(1));
        stage.server.wait_for_mails("Done", 8);
        stage.wait_for_exactly(&uids);
        stage.wait_for_idle();
        ends_well(collector);
        assert_eq!(stage.server.uids(), [theirs], "{extensions:?}");

        // The same places go on; nothing there is missed.
        uids.extend(stage.deliver(3));
        let collector = stage.start();
        stage.server.wait_for_mails("Done", 11);
        stage.server.wait_for_mails("INBOX", 1);
        stage.wait_for_exactly(&uids);
        let lines = collector.lines().join("\n");
        ends_well(collector);
        assert!(!lines.contains("gap") && !lines.contains("trying again"), "{lines}");
        assert_eq!(stage.duplicates(), 0);
        assert_eq!(stage.server.uids(), [theirs], "{extensions:?}");
    }
}

#[test]
fn a_mail_that_another_client_marked_as_deleted_is_not_removed() {
    let mut stage = stage("delete", &["UIDPLUS"]);
    stage.configuration.from_zero = false;
    let theirs = stage.deliver(2);
    stage.server.flag(theirs[1], "\\Deleted");
    let collector = stage.start();
    stage.wait_for_idle();
    let uids = stage.deliver(20);
    stage.server.wait_for_mails("INBOX", 2);
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.server.uids(), theirs);
}

#[test]
fn without_uidplus_mails_are_only_marked_and_one_line_says_so() {
    for setting in ["delete", "move:Done"] {
        let stage = stage(setting, &[]);
        stage.server.create("Done", "");
        let mut uids = stage.deliver(3);
        let collector = stage.start();
        stage.server.wait_for_flag("\\Deleted", &uids);
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.server.wait_for_flag("\\Deleted", &uids);
        stage.wait_for_exactly(&uids);
        collector.wait_for_line(&["UIDPLUS", "\\Deleted", "mailbox=INBOX"]);
        let said = collector.lines().iter().filter(|line| line.contains("UIDPLUS")).count();
        assert_eq!(said, 1);
        ends_well(collector);
        if setting != "delete" {
            stage.server.wait_for_mails("Done", 4);
        }
    }
}

#[test]
fn nothing_is_done_before_the_receiver_has_the_mail() {
    let stage = stage("delete", &["UIDPLUS"]);
    let uids = stage.deliver(30);
    let refused = ReceiverFault::Status {
        code: 503,
        retry_after: None,
    };
    stage.receiver.misbehave(refused);
    let collector = stage.start();
    stage
        .receiver
        .wait_until("two refusals", |record| record.faults_struck >= 2);
    assert_eq!(commands(&stage, "UID STORE"), Vec::<String>::new());
    assert_eq!(stage.server.uids(), uids);
    stage.receiver.heal();
    stage.server.wait_for_mails("INBOX", 0);
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn a_mail_that_went_to_the_dead_letter_file_stays_on_the_server() {
    let stage = stage("delete", &["UIDPLUS"]);
    let refused = stage.deliver(7)[4];
    stage.receiver.misbehave(ReceiverFault::Refuses {
        uid: u64::from(refused),
        code: 400,
    });
    let collector = stage.start();
    stage.server.wait_for_mails("INBOX", 1);
    ends_well(collector);
    assert_eq!(stage.server.uids(), [refused]);
    let dead_letters = fs::read_to_string(file_of(&stage).unwrap()).unwrap();
    assert_eq!(dead_letters.lines().count(), 1);
}

#[test]
fn once_acts_before_it_ends_and_a_dry_run_does_not_act() {
    let stage = stage("delete", &["UIDPLUS"]);
    let uids = stage.deliver(12);
    let file = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
        let output = command.args(arguments).arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout.split(|byte| *byte == b'\n').count() - 1
    };
    assert_eq!(run(&["imap", "--once", "--dry-run"]), 12);
    assert_eq!(stage.server.uids(), uids);
    assert_eq!(commands(&stage, "SELECT"), Vec::<String>::new());
    assert_eq!(run(&["imap", "--once"]), 0);
    assert_eq!(stage.server.uids(), [0_u32; 0]);
    stage.wait_for_exactly(&uids);
}

#[test]
fn a_mailbox_that_may_only_be_read_is_a_setting_to_correct() {
    let stage = stage("seen", &[]);
    stage.server.misbehave(ServerFault::ReadOnly);
    stage.deliver(1);
    let collector = stage.start();
    collector.wait_for_line(&["trying again", "after_delivery", "only read", "mailbox=INBOX"]);
    ends_well(collector);
    assert_eq!(stage.receiver.record().events.len(), 0);
}

#[test]
fn what_is_refused_together_and_done_one_by_one_is_no_failure() {
    let stage = stage("seen", &[]);
    stage.server.misbehave(ServerFault::NoOnStoreOfSeveral);
    let uids = stage.deliver(7);
    let collector = stage.start();
    stage.server.wait_for_flag("\\Seen", &uids);
    assert!(stage.server.record().faults_struck > 0);
    let (status, lines) = collector.terminate();
    let lines = lines.join("\n");
    assert!(status.success() && !lines.contains("not carried out"), "{lines}");
}

#[test]
fn a_mail_that_the_server_will_not_touch_holds_up_no_other() {
    let stage = stage("seen", &[]);
    let mut uids = stage.deliver(100);
    let stubborn = uids[57];
    stage.server.misbehave(ServerFault::NoOnStore { uid: stubborn });
    let collector = stage.start();
    let others: Vec<u32> = uids.iter().copied().filter(|uid| *uid != stubborn).collect();
    stage.server.wait_for_flag("\\Seen", &others);
    let line = collector.wait_for_line(&["after_delivery", "trying again"]);
    assert!(line.contains("mails=1") && line.contains("not that one"), "{line}");
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    // The next start has not forgotten it.
    stage.server.heal();
    let collector = stage.start();
    stage.server.wait_for_flag("\\Seen", &uids);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn a_destination_that_is_missing_loses_nothing_and_delivery_goes_on() {
    let stage = stage("move:Done", &["UIDPLUS"]);
    let mut uids = stage.deliver(10);
    let collector = stage.start();
    let line = collector.wait_for_line(&["after_delivery", "trying again"]);
    assert!(line.contains("TRYCREATE") && line.contains("UID COPY"), "{line}");
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.server.uids(), uids);
    assert_eq!(
        commands(&stage, "UID STORE"),
        Vec::<String>::new(),
        "what is not copied is not deleted"
    );
    stage.server.create("Done", "");
    let collector = stage.start();
    stage.server.wait_for_mails("Done", uids.len());
    stage.server.wait_for_mails("INBOX", 0);
    ends_well(collector);
}

#[test]
fn matrix_1_killed_between_acknowledgement_and_action_the_next_start_makes_up_for_it() {
    let stage = stage("move:Done", &["MOVE"]);
    stage.server.create("Done", "");
    let mut uids = stage.deliver(700);
    stage.server.misbehave(ServerFault::Says {
        to: "UID MOVE",
        line: "* BYE not now",
    });
    let collector = stage.start();
    // A server that ends the session at it does not keep the next one from fetching mail.
    stage.wait_for_exactly(&uids);
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    collector.kill();
    assert_eq!(stage.server.uids(), uids);
    stage.server.heal();
    let collector = stage.start();
    stage.server.wait_for_mails("Done", uids.len());
    stage.server.wait_for_mails("INBOX", 0);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn uids_of_another_uidvalidity_are_never_acted_on() {
    let stage = stage("delete", &["UIDPLUS"]);
    let uids = stage.deliver(10);
    stage.server.misbehave(ServerFault::Says {
        to: "UID STORE",
        line: "NO not now",
    });
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["after_delivery", "trying again"]);
    ends_well(collector);
    // Other mails are where these were.
    stage.server.recreate_empty();
    stage.server.skip_uids_to(41);
    let others: Vec<u32> = (100..110)
        .map(|number| stage.server.deliver(&crate::mail(number)))
        .collect();
    assert_eq!(others, uids);
    stage.server.forget_record();
    stage.receiver.misbehave(ReceiverFault::Status {
        code: 503,
        retry_after: None,
    });
    stage.server.heal();
    let collector = stage.start();
    collector.wait_for_line(&["UIDs may mean other mails now", "mails=10"]);
    stage
        .receiver
        .wait_until("a refusal", |record| record.faults_struck >= 1);
    assert_eq!(commands(&stage, "UID STORE"), Vec::<String>::new());
    stage.receiver.heal();
    stage.server.wait_for_mails("INBOX", 0);
    stage
        .receiver
        .wait_until("every mail", |record| record.events.len() == 20);
    ends_well(collector);
}
