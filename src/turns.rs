//! Whose turn it is: servers allow an account so many connections, and it may have more mailboxes.
//!
//! A mailbox that has a turn keeps it as long as nobody waits, which is for ever where there are turns for all. Otherwise
//! it catches up, watches for a while, and hands its turn, with the open connection, to whoever has waited longest.
//!
//! Until a login has succeeded there is one turn only: a hundred mailboxes with a wrong password are one attempt, not a
//! hundred, and lock no account.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::imap::session::Session;
use crate::limits;

/// The turns of one account.
pub struct Turns {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// At a time.
    most: usize,
    taken: usize,
    /// Who takes turns.
    members: usize,
    /// In the order in which they came.
    waiting: VecDeque<Sender<Turn>>,
    /// The last login went well.
    logged_in: bool,
    closed: bool,
}

impl Turns {
    /// `most` at a time, at least one.
    pub fn new(most: usize) -> Arc<Turns> {
        let turns = Turns {
            state: Mutex::default(),
        };
        turns.lock().most = most.max(1);
        Arc::new(turns)
    }

    /// `most` at a time, unless it is fewer already: whoever shares an account keeps within the bounds of each.
    pub fn at_most(&self, most: usize) {
        let mut state = self.lock();
        state.most = state.most.min(most.max(1));
    }

    /// Somebody more who takes turns.
    pub fn join(self: &Arc<Self>) -> Member {
        let mut state = self.lock();
        state.members = state.members.saturating_add(1);
        Member {
            turns: Arc::clone(self),
        }
    }

    /// No more turns: the program stops. Whoever waits goes away without one.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
    }

    /// Gives the turns that are free to those who wait.
    fn serve(self: &Arc<Self>) {
        while let Some(waiting) = self.next() {
            // To one that does not wait any more it is given in vain, and comes back by its drop.
            drop(waiting.send(Turn {
                turns: Arc::clone(self),
                session: None,
            }));
        }
    }

    /// Takes a turn for the one who has waited longest, if there is both.
    fn next(&self) -> Option<Sender<Turn>> {
        let mut state = self.lock();
        let most = if state.logged_in { state.most } else { 1 };
        if state.taken >= most {
            return None;
        }
        let waiting = state.waiting.pop_front()?;
        state.taken = state.taken.saturating_add(1);
        Some(waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who takes turns.
pub struct Member {
    turns: Arc<Turns>,
}

impl Member {
    /// Waits for a turn, in the order of asking; `None` when the program stops.
    pub fn wait(&self) -> Option<Turn> {
        self.ask()?.turn(limits::TEND, &mut || ())
    }

    /// Takes a place in the line; `None` when the program stops.
    pub fn ask(&self) -> Option<Waiting> {
        let (sender, receiver) = mpsc::channel();
        {
            let mut state = self.turns.lock();
            if state.closed {
                return None;
            }
            state.waiting.push_back(sender);
        }
        self.turns.serve();
        Some(Waiting(receiver))
    }

    /// Whether somebody waits for a turn.
    pub fn others_wait(&self) -> bool {
        !self.turns.lock().waiting.is_empty()
    }

    /// As [`Turns::close`]: where one gives the account up, all do.
    pub fn close(&self) {
        self.turns.close();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.members = state.members.saturating_sub(1);
    }
}

/// A place in the line.
pub struct Waiting(Receiver<Turn>);

impl Waiting {
    /// Waits for the turn, and does something else every `slice` meanwhile; `None` when the program stops.
    pub fn turn(self, slice: Duration, meanwhile: &mut dyn FnMut()) -> Option<Turn> {
        loop {
            match self.0.recv_timeout(slice) {
                Ok(turn) => return Some(turn),
                Err(RecvTimeoutError::Timeout) => meanwhile(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// The right to one connection, until it is dropped or handed over.
pub struct Turn {
    turns: Arc<Turns>,
    session: Option<Session>,
}

impl Turn {
    /// The connection that came with it, logged in.
    pub fn session(&mut self) -> Option<Session> {
        self.session.take()
    }

    /// A login went well: there are as many turns as connections.
    pub fn logged_in(&self) {
        self.turns.lock().logged_in = true;
        self.turns.serve();
    }

    /// There is no connection, or no login, to be had. No further turns are given until there is; whoever keeps this one
    /// meanwhile is the one who tries.
    pub fn not_logged_in(&self) {
        self.turns.lock().logged_in = false;
    }

    /// Whether somebody waits for a turn.
    pub fn others_wait(&self) -> bool {
        !self.turns.lock().waiting.is_empty()
    }

    /// Whether there are more who take turns than turns.
    pub fn is_scarce(&self) -> bool {
        let state = self.turns.lock();
        state.members > state.most
    }

    /// Gives the turn and its connection to the one who has waited longest; to nobody, the connection ends.
    pub fn hand_over(mut self, session: Session) {
        let waiting = self.turns.lock().waiting.pop_front();
        let Some(waiting) = waiting else {
            session.log_out();
            return;
        };
        self.session = Some(session);
        drop(waiting.send(self));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = self.turns.lock();
            state.taken = state.taken.saturating_sub(1);
        }
        self.turns.serve();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};
    use std::sync::{Arc, MutexGuard};
    use std::thread;
    use std::time::Duration;

    use super::{State, Turn, Turns};

    /// Who waits on a thread of its own; returns once it stands in the line.
    fn waits(turns: &Arc<Turns>) -> Receiver<Option<Turn>> {
        let (sender, receiver) = mpsc::channel();
        let present = |state: MutexGuard<'_, State>| state.waiting.len() + state.taken;
        let before = present(turns.lock());
        let member = turns.join();
        thread::spawn(move || drop(sender.send(member.wait())));
        while present(turns.lock()) == before {
            thread::yield_now();
        }
        receiver
    }

    #[test]
    fn a_wrong_password_is_one_attempt_however_many_mailboxes_there_are() {
        let turns = Turns::new(3);
        let first = waits(&turns).recv().unwrap().unwrap();
        let others = [waits(&turns), waits(&turns), waits(&turns)];
        assert!(others.iter().all(|other| other.try_recv().is_err()));
        first.not_logged_in();
        drop(first);
        let second = others[0].recv().unwrap().unwrap();
        assert!(others[1].try_recv().is_err() && second.others_wait());
        second.logged_in();
        let held = [others[1].recv().unwrap(), others[2].recv().unwrap()];
        assert!(held.iter().all(Option::is_some) && !second.others_wait());
    }

    #[test]
    fn turns_go_round_in_the_order_of_asking_and_never_beyond_their_number() {
        let turns = Turns::new(2);
        let first = waits(&turns).recv().unwrap().unwrap();
        first.logged_in();
        let second = waits(&turns).recv().unwrap().unwrap();
        let [third, fourth] = [waits(&turns), waits(&turns)];
        assert_eq!(turns.lock().taken, 2);
        drop(first);
        let third = third.recv().unwrap().unwrap();
        assert!(fourth.try_recv().is_err());
        drop(second);
        let fourth = fourth.recv().unwrap().unwrap();
        assert!(!third.others_wait());
        drop((third, fourth));
        assert_eq!(turns.lock().taken, 0);
    }

    #[test]
    fn who_waits_does_something_else_meanwhile() {
        let turns = Turns::new(1);
        let mut held = turns.join().wait();
        let waiting = turns.join().ask().unwrap();
        let turn = waiting.turn(Duration::ZERO, &mut || drop(held.take()));
        assert!(turn.is_some(), "it came when the other one was given back");
        let waiting = turns.join().ask().unwrap();
        assert!(waiting.turn(Duration::ZERO, &mut || turns.close()).is_none());
    }

    #[test]
    fn turns_are_scarce_when_there_are_more_members_than_turns() {
        let turns = Turns::new(1);
        let member = turns.join();
        let turn = member.wait().unwrap();
        assert!(!turn.is_scarce());
        let another = turns.join();
        assert!(turn.is_scarce());
        drop(another);
        assert!(!turn.is_scarce());
    }

    #[test]
    fn who_shares_an_account_keeps_within_the_bounds_of_each() {
        let turns = Turns::new(3);
        for (most, expected) in [(4, 3), (3, 3), (2, 2), (0, 1)] {
            turns.at_most(most);
            assert_eq!(turns.lock().most, expected);
        }
    }

    #[test]
    fn a_stop_sends_everybody_home() {
        let turns = Turns::new(1);
        let _held = turns.join().wait().unwrap();
        let waiting = waits(&turns);
        turns.close();
        assert!(waiting.recv().unwrap().is_none());
        assert!(turns.join().wait().is_none());
    }

    #[test]
    fn a_mailbox_that_went_away_while_it_waited_costs_no_turn() {
        let turns = Turns::new(1);
        let held = turns.join().wait().unwrap();
        let (gone, receiver) = mpsc::channel();
        drop(receiver);
        turns.lock().waiting.push_back(gone);
        let waiting = waits(&turns);
        drop(held);
        assert!(waiting.recv().unwrap().is_some());
    }
}
