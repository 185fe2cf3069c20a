//! The program ends, by signal or by force, and begins again.

use std::time::{Duration, Instant};

use mailtap::limits;

use crate::{ReceiverFault, ServerFault, Stage, ended_well, ends_well};

#[test]
fn matrix_2_sigterm_while_the_sink_is_dead_loses_nothing() {
    let stage = Stage::new();
    let uids = stage.deliver(20);
    stage.receiver.misbehave(ReceiverFault::CloseBeforeStoring);
    let collector = stage.start();
    stage.receiver.wait_until("an attempt", |record| record.requests >= 1);
    ends_well(collector);
    stage.receiver.heal();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn matrix_2_sigterm_waits_for_the_acknowledgement_under_way() {
    let stage = Stage::new();
    let uids = stage.deliver(20);
    stage.receiver.misbehave(ReceiverFault::Slow { stored: 1 });
    let collector = stage.start();
    stage.receiver.wait_until("a batch", |record| record.events.len() == 20);
    collector.ask_to_stop();
    collector.wait_for_line(&["stopping"]);
    stage.receiver.heal();
    ended_well(collector);
    let collector = stage.start();
    stage.wait_for_idle();
    ends_well(collector);
    stage.wait_for_exactly(&uids);
    assert_eq!(
        stage.duplicates(),
        0,
        "the acknowledgement was waited for and remembered"
    );
}

#[test]
fn matrix_2_sigterm_waits_no_longer_than_shutdown_timeout() {
    let mut stage = Stage::new();
    stage.configuration.more.push("shutdown_timeout: 1s".to_owned());
    let uids = stage.deliver(3);
    stage.receiver.misbehave(ReceiverFault::NoAnswer);
    let collector = stage.start();
    stage.receiver.wait_until("a batch", |record| record.requests == 1);
    let since = Instant::now();
    ends_well(collector);
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert!(since.elapsed() < limits::SHUTDOWN, "{:?}", since.elapsed());
    stage.receiver.heal();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn matrix_2_sigterm_logs_out_in_idle_and_within_a_fetch() {
    for within_a_fetch in [false, true] {
        let stage = Stage::new();
        let uids = stage.deliver(3);
        if within_a_fetch {
            stage.server.misbehave(ServerFault::HangsAt { uid: uids[1] });
        }
        let collector = stage.start();
        if within_a_fetch {
            stage
                .server
                .wait_until("a body", |record| record.bodies.contains(&uids[1]));
        } else {
            stage.wait_for_idle();
        }
        ends_well(collector);
        stage.server.wait_until("LOGOUT", |record| {
            record.commands.last().is_some_and(|command| command == "LOGOUT")
        });
        assert_eq!(stage.server.record().violations, Vec::<String>::new());
    }
}

#[test]
fn matrix_2_a_second_sigterm_ends_it_at_once_and_loses_nothing() {
    let stage = Stage::new();
    let uids = stage.deliver(20);
    stage.receiver.misbehave(ReceiverFault::NoAnswer);
    let collector = stage.start();
    stage.receiver.wait_until("a batch", |record| record.requests == 1);
    collector.ask_to_stop();
    collector.wait_for_line(&["stopping"]);
    let (status, lines) = collector.terminate();
    assert_eq!(status.code(), Some(128 + 15), "{}", lines.join("\n"));
    stage.receiver.heal();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn matrix_1_killed_again_and_again_at_every_stage_nothing_is_lost() {
    let stage = Stage::new();
    let mut uids = Vec::new();
    // From before the first connection to the middle of an acknowledgement, without a look at the clock.
    for round in 0..24 {
        uids.extend(stage.deliver(40));
        let before = stage.receiver.look(|record| (record.lines, record.requests));
        let server = stage.server.record();
        let (commands, bodies) = (server.commands.len(), server.bodies.len());
        match round % 6 {
            3 => stage.receiver.misbehave(ReceiverFault::NoAnswer),
            4 => stage.receiver.misbehave(ReceiverFault::Slow { stored: 0 }),
            _ => (),
        }
        let collector = stage.start();
        match round % 6 {
            0 => (),
            1 => stage
                .server
                .wait_until("a command", |record| record.commands.len() > commands + round / 6),
            2 => stage
                .server
                .wait_until("a body", |record| record.bodies.len() > bodies + round),
            3 => stage
                .receiver
                .wait_until("a request", |record| record.requests > before.1),
            // Stored, not acknowledged: the worst moment.
            4 => stage
                .receiver
                .wait_until("some events", |record| record.lines > before.0),
            // Acknowledged, perhaps not remembered.
            _ => stage
                .receiver
                .wait_until("all events", |record| record.events.len() == uids.len()),
        }
        collector.kill();
        stage.receiver.heal();
    }
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
}

#[test]
fn matrix_13_a_checkpoint_that_cannot_be_read_is_refused_and_not_taken_for_a_first_start() {
    let stage = Stage::new();
    let mut uids = stage.deliver(5);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    let checkpoint = std::fs::read_dir(&stage.configuration.state_dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
        .unwrap();
    let right = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &right[..right.len() / 2]).unwrap();
    uids.extend(stage.deliver(1));
    let collector = stage.start();
    collector.wait_for_line(&["state_dir", checkpoint.to_str().unwrap()]);
    ends_well(collector);
    assert_eq!(stage.receiver.record().events.len(), 5);
    std::fs::write(&checkpoint, right).unwrap();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn matrix_12_a_checkpoint_that_is_deleted_under_the_running_program_loses_nothing() {
    let mut stage = Stage::new();
    stage.configuration.from_zero = false;
    let collector = stage.start();
    stage.wait_for_idle();
    stage.server.misbehave(ServerFault::ByeAsGreeting);
    std::fs::remove_dir_all(&stage.configuration.state_dir).unwrap();
    stage.server.cut_connections();
    let uids = stage.deliver(3);
    stage.server.heal();
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["checkpoint", "not written"]);
    std::fs::create_dir(&stage.configuration.state_dir).unwrap();
    stage.wait_for_idle();
    ends_well(collector);
    let collector = stage.start();
    stage.wait_for_idle();
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}
