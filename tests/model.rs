//! The contract of delivery against random schedules of mails, faults and restarts: clock, disk, network, IMAP server and
//! receiver are made of memory and of one seed, so that a schedule that fails fails again.
//!
//! After every schedule, when everything is in order again: each mail at or after the start point is with the receiver, in
//! the dead-letter file, or expunged (point 1); no checkpoint ever passed a mail that was none of these (point 2); a mail
//! has the same event id however often it comes, and no other mail has it (point 6). Nothing is removed from the mailbox that
//! the receiver does not have (point 7). An event names only attachments that the artifact store has acknowledged before it.
//!
//! `MODEL_SCHEDULES=100000 cargo test --release --test model` tries more of them; `MODEL_SEED=7` tries that one.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

#[path = "model/process.rs"]
mod process;
#[path = "model/receiver.rs"]
mod receiver;
#[path = "model/server.rs"]
mod server;
#[path = "model/store.rs"]
mod store;
#[path = "model/tally.rs"]
mod tally;
#[path = "model/world.rs"]
mod world;

use std::env;
use std::sync::{Arc, Mutex, PoisonError};

use tally::Tally;
use world::World;

/// So many schedules are tried if nobody says a number.
const SCHEDULES: u64 = 2_000;
/// So many of those in which the clock is never right.
const RESTLESS: u64 = 300;

#[test]
fn no_schedule_loses_a_mail_or_passes_one_or_gives_two_ids() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MODEL_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let schedules = seeds.end - seeds.start;
    let sum = live(seeds.map(World::new));
    println!("{schedules} schedules: {sum}");
    // A model in which nothing goes wrong proves nothing.
    if schedules >= SCHEDULES {
        sum.assert_that_everything_happened();
    }
}

/// The wall clock is set a day forward or back before everything that happens.
#[test]
fn matrix_15_whatever_the_wall_clock_says_no_mail_is_lost_and_none_is_late_for_it() {
    let sum = live((0..RESTLESS).map(World::restless));
    assert!(sum.clock_set > sum.schedules && sum.again > 0 && sum.dead > 0, "{sum}");
}

fn live(worlds: impl Iterator<Item = Arc<World>>) -> Tally {
    // One at a time: they share their files, and the program's dice.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sum = Tally::default();
    for world in worlds {
        process::live_until_all_is_quiet(&world);
        sum.add(&world.judge());
    }
    sum
}
