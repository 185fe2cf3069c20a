//! Row 2: SIGTERM with the window full and the receiver slow, or dead.

use std::thread;

use super::{PROGRAM, WAYS, ends_well, nothing_comes_again, with_lines};
use crate::support::destination::Destination;
use crate::support::line::Line;
use crate::support::real_server::RealServer;
use crate::support::real_server::dovecot::Dovecot;

/// Three windows of LimaCharlie's.
const MAILS: usize = 60;
/// One of them.
const WINDOW: usize = 20;

#[test]
fn matrix_2_sigterm_with_the_window_full_waits_for_a_slow_receiver() {
    with_lines(|mut line| {
        line.deliver(MAILS);
        line.destination.withhold();
        let collector = line.start();
        line.destination.wait_for_events(WINDOW);
        collector.ask_to_stop();
        collector.wait_for_line(&["stopping"]);
        line.destination.heal();
        let (status, lines) = collector.ends();
        assert!(status.success(), "{status}\n{}", lines.join("\n"));
        let done = line.next_uid();
        assert!(done > WINDOW as u64, "what was acknowledged is remembered: {done}");
        nothing_comes_again(&line);
    });
}

#[test]
fn matrix_2_sigterm_while_the_receiver_is_gone_ends_at_once_and_loses_nothing() {
    with_lines(|mut line| {
        line.deliver(MAILS);
        line.destination.die();
        let collector = line.start();
        collector.wait_for_line(&["not delivered"]);
        ends_well(collector);
        assert_eq!((line.next_uid(), line.destination.events().len()), (1, 0));
        line.destination.heal();
        nothing_comes_again(&line);
    });
}

#[test]
fn matrix_2_sigterm_and_a_receiver_that_never_acknowledges_ends_at_the_deadline_or_at_a_second_one() {
    thread::scope(|scope| {
        for (way, asked_twice) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            scope.spawn(move || {
                let Some(dovecot) = RealServer::<Dovecot>::start() else {
                    return;
                };
                let mut line = Line::new(PROGRAM, &dovecot, Destination::start(way));
                line.deliver(MAILS);
                line.destination.withhold();
                let collector = line.start();
                line.destination.wait_for_events(WINDOW);
                collector.ask_to_stop();
                collector.wait_for_line(&["stopping"]);
                if asked_twice {
                    collector.ask_to_stop();
                }
                let (status, lines) = collector.ends();
                let expected = if asked_twice { 128 + 15 } else { 0 };
                assert_eq!(status.code(), Some(expected), "{}", lines.join("\n"));
                assert_eq!(line.next_uid(), 1, "nothing was acknowledged");

                let window = line.destination.events().len();
                line.destination.heal();
                assert!(line.once().status().unwrap().success());
                assert_eq!(line.destination.repeats(), window, "what was in flight, and that once");
                line.judge();
            });
        }
    });
}
