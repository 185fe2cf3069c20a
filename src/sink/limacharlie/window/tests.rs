use std::time::{Duration, Instant};

use super::{Broken, Step, Window};
use crate::limits;
use crate::sink::limacharlie::message::Control;

/// A connected window with a queue of `count` messages.
fn window(count: u64, now: Instant) -> Window {
    let mut window = Window::default();
    window.connected(now);
    window.queue(0, count);
    window
}

/// The sequences that go out until it would listen.
fn sent(window: &mut Window, now: Instant) -> Vec<u64> {
    let mut sequences = Vec::new();
    while let Step::Send { sequence, .. } = window.next(now).unwrap() {
        sequences.push(sequence);
    }
    sequences
}

#[test]
fn a_connection_begins_with_one_message_and_never_exceeds_the_window() {
    let now = Instant::now();
    let mut window = window(10, now);
    assert_eq!(sent(&mut window, now), [1]);
    window.heard(&Control::Window(4), now).unwrap();
    assert_eq!(sent(&mut window, now), [2, 3, 4]);
    window.heard(&Control::Acknowledged(2), now).unwrap();
    assert_eq!(sent(&mut window, now), [5, 6]);
    // It shrinks below what is in flight, to nothing, and grows again.
    window.heard(&Control::Window(2), now).unwrap();
    window.heard(&Control::Acknowledged(3), now).unwrap();
    assert!(sent(&mut window, now).is_empty());
    window.heard(&Control::Acknowledged(5), now).unwrap();
    assert_eq!(sent(&mut window, now), [7]);
    window.heard(&Control::Window(0), now).unwrap();
    window.heard(&Control::Acknowledged(7), now).unwrap();
    assert!(sent(&mut window, now).is_empty());
    assert!(matches!(window.next(now), Ok(Step::Listen(_))));
    window.heard(&Control::Window(100), now).unwrap();
    assert_eq!(sent(&mut window, now), [8, 9, 10]);
    window.heard(&Control::Acknowledged(10), now).unwrap();
    assert_eq!(window.next(now), Ok(Step::Done));
}

#[test]
fn after_a_reconnect_exactly_what_is_not_acknowledged_goes_out_again_under_its_sequences() {
    let now = Instant::now();
    let mut window = window(5, now);
    window.heard(&Control::Window(100), now).unwrap();
    assert_eq!(sent(&mut window, now), [1, 2, 3, 4, 5]);
    window.heard(&Control::Acknowledged(2), now).unwrap();
    window.connected(now);
    assert_eq!(sent(&mut window, now), [3], "the window is 1 again");
    // The cloud had one more of them than it said.
    window.heard(&Control::Acknowledged(4), now).unwrap();
    window.heard(&Control::Window(100), now).unwrap();
    assert_eq!(sent(&mut window, now), [5]);
    assert_eq!(
        window.heard(&Control::Acknowledged(6), now),
        Err(Broken::UnsentAcknowledged {
            sequence: 6,
            highest: 5
        })
    );
    window.heard(&Control::Acknowledged(5), now).unwrap();
    assert_eq!(window.next(now), Ok(Step::Done));
    // What joins goes on behind.
    window.queue(5, 1);
    assert_eq!(sent(&mut window, now), [6]);
}

#[test]
fn messages_that_were_given_up_take_their_sequences_along() {
    let now = Instant::now();
    let mut window = window(3, now);
    assert_eq!(sent(&mut window, now), [1]);
    window.queue(3, 2);
    // An acknowledgement of the old messages says nothing of the new ones.
    window.heard(&Control::Window(9), now).unwrap();
    window.heard(&Control::Acknowledged(1), now).unwrap();
    assert_eq!(sent(&mut window, now), [4, 5]);
    window.heard(&Control::Acknowledged(3), now).unwrap();
    assert!(matches!(window.next(now), Ok(Step::Listen(_))));
}

#[test]
fn the_queue_moves_on_under_what_is_in_flight() {
    let now = Instant::now();
    let mut window = window(4, now);
    window.heard(&Control::Window(3), now).unwrap();
    assert_eq!(sent(&mut window, now), [1, 2, 3]);
    window.heard(&Control::Acknowledged(2), now).unwrap();
    assert_eq!(window.acknowledged(), 2);
    // Two have left, one has joined.
    window.queue(2, 3);
    assert_eq!(window.acknowledged(), 0);
    let Ok(Step::Send { place: 1, sequence: 4 }) = window.next(now) else {
        panic!()
    };
    assert_eq!(sent(&mut window, now), [5]);
    // Of what was sent only the first half is looked at, and then the other.
    window.queue(2, 1);
    window.heard(&Control::Acknowledged(4), now).unwrap();
    assert_eq!((window.acknowledged(), window.next(now)), (1, Ok(Step::Done)));
    window.queue(3, 2);
    assert_eq!(window.acknowledged(), 1);
    // Another queue begins again from 0, but not with sequences that were used.
    window.queue(0, 1);
    assert_eq!(window.acknowledged(), 0);
    assert_eq!(sent(&mut window, now), [6]);
}

#[test]
fn a_back_off_outlives_the_connection_and_patience_begins_after_it() {
    let start = Instant::now();
    let mut window = window(2, start);
    assert_eq!(sent(&mut window, start), [1]);
    window
        .heard(&Control::BackOff(Duration::from_secs(300)), start)
        .unwrap();
    let until = start + Duration::from_secs(300);
    let mut now = start;
    while now < until {
        match window.next(now) {
            Ok(Step::Listen(patience)) => now += patience,
            Ok(Step::Ping) => window.pong(),
            other => panic!("{other:?} after {:?}", now - start),
        }
    }
    let patient = until + limits::USP_ACKNOWLEDGEMENT.saturating_sub(Duration::from_millis(1));
    assert!(window.next(patient).is_ok());
    // Over a reconnect as well.
    window
        .heard(&Control::BackOff(Duration::from_secs(300)), until)
        .unwrap();
    window.connected(until);
    assert!(sent(&mut window, until + Duration::from_secs(1)).is_empty());
}

#[test]
fn matrix_11_old_and_repeated_acknowledgements_change_nothing_and_future_ones_break() {
    let now = Instant::now();
    let mut window = window(3, now);
    window.heard(&Control::Window(3), now).unwrap();
    assert_eq!(
        window.heard(&Control::Acknowledged(1), now),
        Err(Broken::UnsentAcknowledged {
            sequence: 1,
            highest: 0
        })
    );
    assert_eq!(sent(&mut window, now), [1, 2, 3]);
    for sequence in [2, 1, 2, 0] {
        window.heard(&Control::Acknowledged(sequence), now).unwrap();
    }
    assert!(matches!(window.next(now), Ok(Step::Listen(_))));
    for sequence in [4, u64::MAX] {
        assert!(window.heard(&Control::Acknowledged(sequence), now).is_err());
    }
    window.heard(&Control::Acknowledged(3), now).unwrap();
    assert_eq!(window.next(now), Ok(Step::Done));
}

#[test]
fn matrix_11_back_off_holds_messages_and_nothing_else() {
    let now = Instant::now();
    let mut window = window(2, now);
    window.heard(&Control::BackOff(Duration::from_secs(5)), now).unwrap();
    assert_eq!(window.next(now), Ok(Step::Listen(Duration::from_secs(5))));
    let later = now + Duration::from_secs(5);
    assert_eq!(sent(&mut window, later), [1]);
    window.heard(&Control::BackOff(Duration::ZERO), later).unwrap();
    window.heard(&Control::Acknowledged(1), later).unwrap();
    assert_eq!(sent(&mut window, later), [2]);
}

#[test]
fn matrix_11_patience_ends_when_nothing_is_acknowledged() {
    let start = Instant::now();
    let mut window = window(3, start);
    window.heard(&Control::Window(3), start).unwrap();
    assert_eq!(sent(&mut window, start), [1, 2, 3]);
    let mut now = start;
    let mut pings = 0;
    let broken = loop {
        match window.next(now) {
            Ok(Step::Listen(patience)) => {
                assert!(patience > Duration::ZERO);
                now += patience;
            }
            Ok(Step::Ping) => {
                pings += 1;
                window.pong();
            }
            Ok(other) => panic!("{other:?}"),
            Err(broken) => break broken,
        }
    };
    assert_eq!(
        (broken, now - start),
        (Broken::NoAcknowledgement, limits::USP_ACKNOWLEDGEMENT)
    );
    assert_eq!(pings, 3, "at 30, 60 and 90 s");
}

#[test]
fn matrix_11_a_ping_without_a_pong_ends_the_connection_also_while_nothing_is_in_flight() {
    let start = Instant::now();
    let mut window = window(0, start);
    assert_eq!(window.next(start), Ok(Step::Done));
    let pinged = start + limits::USP_PING;
    assert_eq!(window.next(pinged), Ok(Step::Ping));
    assert_eq!(window.next(pinged), Ok(Step::Done));
    let late = pinged + limits::USP_PONG;
    assert_eq!(window.next(pinged + Duration::from_secs(59)), Ok(Step::Done));
    assert_eq!(window.next(late), Err(Broken::NoPong));
}

#[test]
fn a_request_to_reconnect_is_followed() {
    let now = Instant::now();
    assert_eq!(window(1, now).heard(&Control::Reconnect, now), Err(Broken::Reconnect));
}
