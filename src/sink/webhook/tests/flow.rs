//! Events are gathered and sent while a request is on its way.

use std::time::Duration;

use super::super::{Settings, Webhook};
use super::{ACCEPTED, LATER, answering, settings, webhook_with};
use crate::event::EventId;
use crate::http::script::{Network, Step, say};
use crate::limits;
use crate::sink::{Batch, DeliveryError, Flow as _};

const SECOND: Duration = Duration::from_secs(1);

/// Events `0\n`, `1\n` and so on.
fn queue(events: usize) -> Batch {
    let mut queue = Batch::default();
    for number in 0..events {
        let line = format!("{number}\n");
        queue.push(EventId::of(line.as_bytes()), |output| output.extend(line.bytes()));
    }
    queue
}

fn two_a_request() -> Settings {
    Settings {
        batch_events: 2,
        ..settings("https://a.example/x", None)
    }
}

/// The key and the body of every request.
fn sent(network: &Network) -> Vec<(String, String)> {
    let requests = network.requests().into_iter();
    requests
        .map(|(_, request)| {
            let request = String::from_utf8(request).unwrap();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Idempotency-Key: "));
            (key.unwrap().to_owned(), body.to_owned())
        })
        .collect()
}

/// How it goes with the queue, and how many of it are acknowledged.
fn ahead(webhook: &mut Webhook, queue: &Batch) -> (Result<(), DeliveryError>, usize) {
    (webhook.send_ahead(queue), webhook.acknowledged())
}

/// The same, waited for.
fn waited(webhook: &mut Webhook, queue: &Batch, patience: Duration) -> (Result<(), DeliveryError>, usize) {
    (webhook.send_and_wait(queue, patience), webhook.acknowledged())
}

fn bodies(network: &Network) -> Vec<String> {
    sent(network).into_iter().map(|(_, body)| body).collect()
}

#[test]
fn nobody_waits_for_an_answer_until_the_queue_is_full() {
    let answer = || [Step::Request, Step::Wait(5 * SECOND), say(ACCEPTED)];
    let network = Network::new([[answer(), answer(), answer()].concat()]);
    let mut webhook = webhook_with(&network, &two_a_request());
    assert_eq!(webhook.room(), (4, 2 * limits::BATCH_BYTES));
    assert!(webhook.is_worth_sending(2, 0) && webhook.is_worth_sending(1, limits::POST_AHEAD));
    assert!(!webhook.is_worth_sending(1, limits::POST_AHEAD - 1));

    let mut queue = queue(5);
    for _ in 0..3 {
        assert_eq!(ahead(&mut webhook, &queue), (Ok(()), 0));
    }
    assert_eq!(
        (network.clock.elapsed(), bodies(&network)),
        (Duration::ZERO, vec!["0\n1\n".to_owned()])
    );

    assert_eq!(waited(&mut webhook, &queue, 2 * SECOND), (Ok(()), 0));
    assert_eq!(network.clock.elapsed(), 2 * SECOND, "no longer than asked for");

    assert_eq!(waited(&mut webhook, &queue, 60 * SECOND), (Ok(()), 2));
    assert_eq!(network.clock.elapsed(), 5 * SECOND, "no longer than needed");
    assert_eq!(bodies(&network), ["0\n1\n", "2\n3\n"], "the next one has left");
    queue.drop_front(2);
    assert_eq!(waited(&mut webhook, &queue, 60 * SECOND), (Ok(()), 2));
    queue.drop_front(2);
    assert_eq!(waited(&mut webhook, &queue, 60 * SECOND), (Ok(()), 1));
    queue.drop_front(1);
    assert_eq!(waited(&mut webhook, &queue, 60 * SECOND), (Ok(()), 0));
    assert_eq!(network.clock.elapsed(), 15 * SECOND);
    assert_eq!(bodies(&network), ["0\n1\n", "2\n3\n", "4\n"]);
    assert_eq!(network.dialled().len(), 1);
}

#[test]
fn an_answer_that_has_come_is_heard_by_whoever_does_not_wait() {
    let network = answering(&[ACCEPTED, ACCEPTED]);
    let mut webhook = webhook_with(&network, &two_a_request());
    let mut queue = queue(3);
    assert_eq!(ahead(&mut webhook, &queue), (Ok(()), 0));
    assert_eq!(ahead(&mut webhook, &queue), (Ok(()), 2));
    queue.drop_front(2);
    assert_eq!(ahead(&mut webhook, &queue), (Ok(()), 1));
    assert_eq!(bodies(&network), ["0\n1\n", "2\n"]);
}

#[test]
fn what_was_not_acknowledged_goes_again_as_the_same_request_whatever_has_joined_it() {
    let network = answering(&[LATER, ACCEPTED, ACCEPTED]);
    let mut webhook = webhook_with(&network, &two_a_request());
    assert_eq!(webhook.send_ahead(&queue(1)), Ok(()));
    let mut queue = queue(3);
    let outcome = webhook.send_and_wait(&queue, SECOND);
    assert!(matches!(outcome, Err(DeliveryError::Retry { .. })), "{outcome:?}");
    assert_eq!(webhook.acknowledged(), 0);
    assert_eq!(waited(&mut webhook, &queue, SECOND), (Ok(()), 1));
    queue.drop_front(1);
    assert_eq!(waited(&mut webhook, &queue, SECOND), (Ok(()), 2));
    let sent = sent(&network);
    assert_eq!((&sent[0], sent[0].1.as_str()), (&sent[1], "0\n"));
    assert_eq!(sent[2].1, "1\n2\n");
}

/// The receiver closed the idle connection just as the request left: nobody knows whether it was seen.
#[test]
fn matrix_8_a_kept_connection_that_dies_under_a_request_is_replaced_once() {
    let dying = vec![
        Step::Request,
        say(ACCEPTED),
        Step::Request,
        Step::Wait(SECOND),
        Step::Cut,
    ];
    let network = Network::new([dying, vec![Step::Request, say(ACCEPTED)]]);
    let mut webhook = webhook_with(&network, &two_a_request());
    let mut queue = queue(4);
    assert_eq!(waited(&mut webhook, &queue, SECOND), (Ok(()), 2));
    queue.drop_front(2);
    assert_eq!(waited(&mut webhook, &queue, 9 * SECOND), (Ok(()), 0));
    assert_eq!(waited(&mut webhook, &queue, 9 * SECOND), (Ok(()), 2));
    let sent = sent(&network);
    assert_eq!((sent.len(), &sent[1]), (3, &sent[2]));
    assert_eq!(network.dialled().len(), 2);
}

#[test]
fn a_receiver_that_never_answers_is_told_from_one_that_is_not_waited_for() {
    let network = Network::new([vec![Step::Request]]);
    let mut webhook = webhook_with(&network, &two_a_request());
    let queue = queue(1);
    assert_eq!(waited(&mut webhook, &queue, SECOND), (Ok(()), 0));
    let outcome = webhook.send_and_wait(&queue, 2 * limits::HTTP_FIRST_BYTE);
    assert!(matches!(outcome, Err(DeliveryError::Retry { .. })), "{outcome:?}");
    assert_eq!(network.clock.elapsed(), limits::HTTP_FIRST_BYTE);
}

#[test]
fn an_answer_that_was_there_in_time_counts_however_late_it_is_looked_for() {
    let network = Network::new([vec![Step::Request, say(ACCEPTED), Step::Request]]);
    let mut webhook = webhook_with(&network, &two_a_request());
    let mut queue = queue(3);
    assert_eq!(webhook.send_ahead(&queue), Ok(()));
    network.clock.advance(2 * limits::HTTP_TOTAL);
    assert_eq!(ahead(&mut webhook, &queue), (Ok(()), 2));
    queue.drop_front(2);
    network.clock.advance(2 * limits::HTTP_TOTAL);
    let outcome = webhook.send_ahead(&queue);
    assert!(
        matches!(outcome, Err(DeliveryError::Retry { .. })),
        "nothing came: {outcome:?}"
    );
}

#[test]
fn a_request_is_as_large_as_what_was_gathered_but_no_larger_than_a_batch() {
    let network = answering(&[ACCEPTED, ACCEPTED]);
    let mut webhook = webhook_with(&network, &settings("https://a.example/x", None));
    let mut queue = Batch::default();
    for number in 0..8 {
        let id = EventId::of(&[number]);
        queue.push(id, |output| output.resize(output.len() + limits::BATCH_BYTES / 3, b'x'));
    }
    assert_eq!(waited(&mut webhook, &queue, SECOND), (Ok(()), 3));
    queue.drop_front(3);
    assert_eq!(waited(&mut webhook, &queue, SECOND), (Ok(()), 3));
}
