//! The receiver fails: it is away, it stores and does not answer, it answers badly.

use crate::{ReceiverFault, Stage, ends_well};

#[test]
fn matrix_3_the_sink_says_503_and_delivery_waits() {
    let stage = Stage::new();
    let uids = stage.deliver(20);
    stage.receiver.misbehave(ReceiverFault::Status {
        code: 503,
        retry_after: None,
    });
    let collector = stage.start();
    stage
        .receiver
        .wait_until("a second attempt", |record| record.requests >= 2);
    assert_eq!(stage.receiver.record().events.len(), 0);
    // Had the checkpoint moved, a kill here would lose mail.
    collector.kill();
    let collector = stage.start();
    stage
        .receiver
        .wait_until("an attempt after the restart", |record| record.requests >= 3);
    stage.receiver.heal();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn matrix_3_retry_after_of_any_kind_is_survived() {
    let stage = Stage::new();
    let uids = stage.deliver(5);
    for retry_after in ["1", "soon"] {
        stage.receiver.misbehave_once(ReceiverFault::Status {
            code: 503,
            retry_after: Some(retry_after),
        });
    }
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.receiver.record().faults_struck, 2);
}

#[test]
fn matrix_6_the_sink_stored_but_did_not_answer_so_the_same_ids_come_again() {
    for fault in [ReceiverFault::CloseAfterStoring, ReceiverFault::HalfAnswer] {
        let stage = Stage::new();
        let uids = stage.deliver(20);
        stage.receiver.misbehave_once(fault);
        let collector = stage.start();
        stage.wait_for_exactly(&uids);
        stage.wait_for_idle();
        ends_well(collector);
        let record = stage.receiver.record();
        assert!(record.duplicates > 0, "what was not acknowledged is sent again");
        assert_eq!(record.violations, Vec::<String>::new(), "with equal ids and content");
    }
}

#[test]
fn matrix_6_an_answer_a_byte_at_a_time_and_a_lost_connection_change_nothing() {
    let stage = Stage::new();
    let mut uids = stage.deliver(5);
    stage.receiver.misbehave(ReceiverFault::Drip);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    // The kept connection is closed while idle: the next request takes a fresh one.
    stage.receiver.cut_connections();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    stage.receiver.misbehave_once(ReceiverFault::CloseBeforeStoring);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    ends_well(collector);
    assert_eq!(stage.duplicates(), 0);
}

#[test]
fn one_connection_serves_many_batches() {
    let stage = Stage::new();
    let mut uids = stage.deliver(1);
    let collector = stage.start();
    for _ in 0..5 {
        stage.wait_for_idle();
        uids.extend(stage.deliver(1));
        stage.wait_for_exactly(&uids);
    }
    ends_well(collector);
    assert_eq!(stage.receiver.record().connections, 1);
}

#[test]
fn matrix_4_compressed_and_signed_batches_of_two_are_halved_and_repeated_like_others() {
    let mut stage = Stage::new();
    stage.configuration.more_options = [
        "is_compressed: true",
        "batch_events: 2",
        "headers: {X-Key: canary-1}",
        "signing_secret: canary-2",
    ]
    .map(str::to_owned)
    .to_vec();
    let uids = stage.deliver(7);
    stage.receiver.misbehave_once(ReceiverFault::Status {
        code: 413,
        retry_after: None,
    });
    stage.receiver.misbehave_once(ReceiverFault::CloseAfterStoring);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    let (_, lines) = collector.terminate();
    assert!(!lines.concat().contains("canary"), "{lines:?}");
    let record = stage.receiver.record();
    assert_eq!(record.violations, Vec::<String>::new());
    // Two halves of the first batch, one of them twice; two, two, one; and the refusal.
    assert_eq!((record.requests, record.duplicates), (7, 1));
}
