use std::sync::Arc;
use std::time::{Duration, Instant};

use super::complaints;
use crate::limits;
use crate::metrics::{Concern, Counters, Doing, Entry, Moment, Vitals};

const SECOND: Duration = Duration::from_secs(1);

/// A mailbox and a clock that the test turns.
struct Scene {
    start: Instant,
    now: Moment,
    vitals: Vitals,
    mailbox: Option<String>,
}

impl Scene {
    /// Begun now.
    fn new() -> Scene {
        let start = Instant::now();
        let mut scene = Scene {
            start,
            now: Moment {
                at: start,
                unix_milliseconds: 0,
            },
            vitals: Vitals::default(),
            mailbox: Some("INBOX".to_owned()),
        };
        scene.vitals.begin(Doing::Server, scene.now);
        scene
    }

    /// Open, caught up and watched.
    fn well() -> Scene {
        let mut scene = Scene::new();
        scene.vitals.opened(scene.now);
        scene.vitals.caught_up();
        scene
    }

    fn pass(&mut self, time: Duration) {
        self.now.at += time;
    }

    fn fail(&mut self, concern: Concern, grave: bool) {
        self.vitals.failed(concern, "why".to_owned(), grave, self.now);
    }

    fn said(&self) -> Vec<String> {
        let entry = Entry {
            server: "s:993".to_owned(),
            username: "u".to_owned(),
            mailbox: self.mailbox.clone(),
            counters: Arc::new(Counters::default()),
        };
        complaints(&entry, &self.vitals, self.now.at)
    }

    fn is_red(&self) -> bool {
        !self.said().is_empty()
    }
}

#[test]
fn nothing_is_green_before_it_has_worked() {
    let mut scene = Scene::new();
    assert_eq!(scene.said(), ["not opened yet"]);
    scene.vitals.begin(Doing::Turn, scene.now);
    assert_eq!(scene.said(), ["not opened yet: it waits for its turn"]);
    scene.fail(Concern::Opening, false);
    assert_eq!(
        scene.said(),
        ["the mailbox cannot be opened for 0 s: why"],
        "no grace for what never worked"
    );
    scene.vitals.opened(scene.now);
    assert!(!scene.is_red());
    let mut account = Scene::new();
    account.vitals.doing = None;
    account.mailbox = None;
    assert_eq!(account.said(), ["the account's mailboxes are not listed yet"]);
    account.fail(Concern::Opening, true);
    assert_eq!(
        account.said(),
        ["the account's mailboxes cannot be listed for 0 s: why"]
    );
}

#[test]
fn what_somebody_must_mend_is_red_at_once() {
    for concern in [
        Concern::Opening,
        Concern::Reading,
        Concern::Delivering,
        Concern::Storing,
        Concern::Writing,
    ] {
        let mut scene = Scene::well();
        scene.fail(concern, true);
        assert!(scene.is_red(), "{concern:?}");
        scene.vitals.well(concern);
        assert!(!scene.is_red(), "{concern:?}");
    }
}

#[test]
fn what_may_pass_is_red_when_it_has_not() {
    let mut scene = Scene::well();
    scene.fail(Concern::Delivering, false);
    scene.pass(limits::HEALTH_GRACE.saturating_sub(SECOND));
    assert!(!scene.is_red());
    // The age is that of the first failure, the words are those of the last.
    scene
        .vitals
        .failed(Concern::Delivering, "now this".to_owned(), false, scene.now);
    scene.pass(SECOND);
    assert_eq!(scene.said(), ["the receiver does not take events for 120 s: now this"]);
    scene.vitals.acknowledged(scene.now);
    assert!(!scene.is_red());
    scene.fail(Concern::Delivering, false);
    assert!(!scene.is_red(), "another trouble has a grace of its own");
}

#[test]
fn each_trouble_ends_for_itself() {
    let mut scene = Scene::well();
    for concern in [Concern::Opening, Concern::Reading, Concern::Delivering] {
        scene.fail(concern, true);
    }
    assert_eq!(scene.said().len(), 3);
    scene.vitals.opened(scene.now);
    scene.vitals.acknowledged(scene.now);
    assert_eq!(scene.said(), ["the mailbox cannot be read for 0 s: why"]);
    scene.vitals.caught_up();
    assert!(!scene.is_red());
}

#[test]
fn a_thread_that_hears_nothing_is_red_whoever_it_waits_for() {
    for (doing, words) in [
        (Doing::Server, Some("no answer of the IMAP server for 900 s")),
        (Doing::Receiver, Some("no acknowledgement of the receiver for 900 s")),
        (
            Doing::Turn,
            Some("it waits for its turn for 900 s: raise max_connections"),
        ),
        (Doing::Attachments, None),
        (Doing::Pause, None),
    ] {
        let mut scene = Scene::well();
        scene.vitals.begin(doing, scene.now);
        scene.pass(limits::HEALTH_SILENCE.saturating_sub(SECOND));
        assert!(!scene.is_red(), "{doing:?}");
        scene.pass(SECOND);
        assert_eq!(scene.said().first().map(String::as_str), words);
        scene.vitals.answered(scene.now);
        assert!(!scene.is_red(), "{doing:?}");
    }
}

#[test]
fn a_quiet_mailbox_that_is_watched_stays_green_for_a_year() {
    let mut scene = Scene::well();
    while scene.now.at.duration_since(scene.start) < Duration::from_secs(365 * 24 * 60 * 60) {
        scene.pass(limits::IDLE_CYCLE + limits::IMAP_DONE + limits::IMAP_SLOW_COMMAND);
        assert!(!scene.is_red());
        scene.vitals.answered(scene.now);
        scene.vitals.fell_behind(scene.now);
        scene.vitals.caught_up();
    }
}

#[test]
fn a_clock_that_jumps_a_day_changes_no_verdict() {
    let mut scene = Scene::well();
    for jump in [86_400_000, -86_400_000] {
        scene.now.unix_milliseconds += jump;
        scene.vitals.answered(scene.now);
        assert!(!scene.is_red());
    }
}
