//! The threads of one account's mailboxes: which run, which begin, which are to end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::first_listing::FirstListings;
use super::{Program, Watch};
use crate::account::Adjusted;
use crate::clock::{Clock, Stop, SystemClock};
use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::session::list_mailboxes::{Found, Listing};
use crate::imap::wanted::Wanted;
use crate::{limits, log};

/// The threads of one account's mailboxes.
pub(super) struct Threads {
    watch: Arc<Watch>,
    program: Arc<Program>,
    ended: Sender<()>,
    running: BTreeMap<MailboxName, Running>,
    /// What was not in the server's first listing and comes later is a new mailbox. Read when it is needed.
    first: Option<FirstListings>,
    /// Bytes of a thread's stack.
    stack: usize,
}

/// What came of the order to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// It is watched.
    Runs,
    /// It went and came back, and the thread that was told to end still looks for the last time.
    Later,
    /// Another section watches it.
    Taken,
    /// The section that watched it was asked to stop, and its thread has not ended yet.
    Ending,
}

struct Running {
    lifetime: Arc<Lifetime>,
    thread: JoinHandle<()>,
}

/// How a mailbox comes to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asked for by its name.
    Named,
    /// Listed by the server.
    Listed,
    /// Listed by the server, and not there when it was first asked: all mail in it is new.
    New,
}

impl Threads {
    /// None yet. A thread drops its copy of `ended` when it ends.
    pub fn new(watch: Arc<Watch>, program: Arc<Program>, ended: Sender<()>) -> Threads {
        Threads {
            watch,
            program,
            ended,
            running: BTreeMap::new(),
            first: None,
            stack: limits::WATCHING_STACK,
        }
    }

    /// Begins to watch the mailboxes that are known by name.
    pub fn begin(&mut self) -> io::Result<()> {
        let watch = Arc::clone(&self.watch);
        for name in watch.adapter.mailboxes.iter().filter_map(Wanted::name) {
            // No other section has this name, or the configuration would be refused.
            if self.start(name, Kind::Named)? != Begun::Runs {
                return Err(io::Error::other(format!("the last one of {name} has not ended yet")));
            }
        }
        Ok(())
    }

    /// Where there are others than those with a name, a thread of its own asks the server which, now and later. Gives the
    /// threads back where there are not.
    pub fn follow(mut self) -> io::Result<Option<Threads>> {
        let watch = Arc::clone(&self.watch);
        if watch.adapter.mailboxes.iter().all(|wanted| wanted.name().is_some()) {
            return Ok(Some(self));
        }
        let counters = Arc::default();
        let account = watch.account(&self.program, &counters);
        let entered = watch.enter(&self.program, None, &counters);
        let work = move || {
            let program = Arc::clone(&self.program);
            if !account.follow(|listing| self.adjust(listing)) {
                program.tally.fell_behind();
            }
            drop(entered);
        };
        thread::Builder::new().name("account".to_owned()).spawn(work)?;
        Ok(None)
    }

    /// Begins to watch `name`, unless it is watched already.
    fn start(&mut self, name: &MailboxName, kind: Kind) -> io::Result<Begun> {
        if let Some(running) = self.running.get(name)
            && !running.thread.is_finished()
        {
            let ends = running.lifetime.over.load(Ordering::Relaxed);
            return Ok(if ends { Begun::Later } else { Begun::Runs });
        }
        let claim = match Claim::on(&self.program, &self.watch, name) {
            Ok(claim) => claim,
            Err(holder) => return Ok(if holder.asked() { Begun::Ending } else { Begun::Taken }),
        };
        let lifetime = Arc::new(Lifetime::new(Arc::clone(&self.program.clock)));
        let (watch, program, ended) = (Arc::clone(&self.watch), Arc::clone(&self.program), self.ended.clone());
        // Before the thread is there: nobody sees a moment in which it is neither red nor green.
        let counters = Arc::default();
        let entered = watch.enter(&program, Some(name), &counters);
        let work = {
            let (name, lifetime) = (name.clone(), Arc::clone(&lifetime));
            move || {
                watch.keep_running(&name, kind, &lifetime, &counters, &program);
                drop(entered);
                drop(claim);
                drop(ended);
            }
        };
        let thread = thread::Builder::new()
            .name("mailbox".to_owned())
            .stack_size(self.stack)
            .spawn(work)?;
        self.running.insert(name.clone(), Running { lifetime, thread });
        Ok(Begun::Runs)
    }

    /// Begins to watch those of `listing` that are not watched yet, and ends what is watched and not among them.
    fn adjust(&mut self, listing: &Listing) -> Adjusted {
        let first = match self.see(listing) {
            Ok(first) => first,
            // Without it the next start would skip the mail of those that are made until then.
            Err(reason) => {
                let unwatched = self.told(&[reason]);
                return Adjusted {
                    soon: true,
                    comes_back: false,
                    unwatched,
                };
            }
        };
        // Into which delivered mails are moved: they would be delivered again from there.
        let destination = self.watch.adapter.after_delivery.as_ref().and_then(Action::destination);
        let names = listing.found.iter().filter(|found| Some(&found.name) != destination);
        let kind = |found: &Found| if first.is_new(found) { Kind::New } else { Kind::Listed };
        let names: Vec<(&MailboxName, Kind)> = names.map(|found| (&found.name, kind(found))).collect();
        let adjusted = self.change(&names, listing.left_out());
        self.first = Some(first);
        adjusted
    }

    /// The same where all have names and the configuration has others now.
    pub fn rename(&mut self, wanted: &[Wanted]) -> Adjusted {
        let names = wanted.iter().filter_map(Wanted::name);
        let names: Vec<(&MailboxName, Kind)> = names.map(|name| (name, Kind::Named)).collect();
        self.change(&names, None)
    }

    /// Whether each has ended by itself.
    pub fn have_ended(&self) -> bool {
        self.running.values().all(|running| running.thread.is_finished())
    }

    fn change(&mut self, names: &[(&MailboxName, Kind)], left_out: Option<String>) -> Adjusted {
        let mut there = BTreeSet::new();
        there.extend(names.iter().map(|(name, _)| *name));
        let (mut soon, mut comes_back) = (false, false);
        let mut unwatched: Vec<String> = left_out.into_iter().collect();
        for (name, kind) in names {
            // One that ended by itself comes back here, and its checkpoint knows it.
            match self.start(name, *kind) {
                Ok(Begun::Runs) => {}
                Ok(Begun::Later) => comes_back = true,
                Ok(Begun::Taken) => unwatched.push(format!("{name}: another section of the configuration watches it")),
                Ok(Begun::Ending) => {
                    soon = true;
                    unwatched.push(format!("{name}: the one that watched it before has not ended yet"));
                }
                Err(error) => {
                    soon = true;
                    unwatched.push(format!("{name}: cannot start a thread: {error}"));
                }
            }
        }
        self.running.retain(|name, running| {
            let keep = there.contains(name);
            let over = running.lifetime.over.load(Ordering::Relaxed);
            if !keep && !over {
                soon = true;
                running.lifetime.end();
                log::info(
                    "the mailbox is no longer listed or asked for and will not be watched; its checkpoint stays",
                    &[("username", &self.watch.adapter.imap.username), ("mailbox", name)],
                );
            }
            // One that is told to end is known until it has.
            keep || !running.thread.is_finished()
        });
        Adjusted {
            soon: soon || comes_back,
            comes_back,
            unwatched: self.told(&unwatched),
        }
    }

    /// The server's first listings, which have seen this one.
    fn see(&mut self, listing: &Listing) -> Result<FirstListings, String> {
        let adapter = &self.watch.adapter;
        let mut first = if let Some(first) = self.first.take() {
            first
        } else {
            let directory = self.program.common.directory(&adapter.state_dir);
            let directory = directory.ok_or("state_dir: not locked")?;
            FirstListings::load(&directory, &adapter.imap.account(), &adapter.mailboxes)?
        };
        first.see(&listing.found)?;
        Ok(first)
    }

    /// The first reason, and how many there are; the log has each.
    fn told(&self, unwatched: &[String]) -> Option<String> {
        for reason in unwatched {
            log::error(
                "not watched",
                &[("username", &self.watch.adapter.imap.username), ("reason", reason)],
            );
        }
        let first = unwatched.first()?;
        self.program.tally.fell_behind();
        Some(match unwatched.len().saturating_sub(1) {
            0 => first.clone(),
            others => format!("{first}; and {others} more, as the log tells"),
        })
    }
}

/// A mailbox of an account that one thread of the process watches: by these two its metrics and dead letters are known, and in
/// one `state_dir` its checkpoint.
struct Claim {
    program: Arc<Program>,
    key: (String, String),
}

/// Accounts and mailboxes that are watched, and what asks whoever does to stop.
pub(super) type Claims = Mutex<BTreeMap<(String, String), Arc<Stop>>>;

impl Claim {
    /// The error is what asks the one that has it to stop.
    fn on(program: &Arc<Program>, watch: &Watch, name: &MailboxName) -> Result<Claim, Arc<Stop>> {
        let key = (watch.adapter.imap.account(), name.as_str().to_owned());
        let mut claims = program.common.claims.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.entry(key.clone()) {
            Entry::Occupied(holder) => Err(Arc::clone(holder.get())),
            Entry::Vacant(free) => {
                free.insert(Arc::clone(&program.stop));
                let program = Arc::clone(program);
                Ok(Claim { program, key })
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self
            .program
            .common
            .claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        claims.remove(&self.key);
    }
}

/// The program's clock, which stops earlier for a mailbox that is not to be watched any more.
pub(super) struct Lifetime {
    clock: Arc<SystemClock>,
    over: AtomicBool,
}

impl Lifetime {
    fn new(clock: Arc<SystemClock>) -> Lifetime {
        Lifetime {
            clock,
            over: AtomicBool::new(false),
        }
    }

    /// The mailbox ends when it looks the next time: within the watch that is under way.
    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Clock for Lifetime {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn unix_milliseconds(&self) -> i64 {
        self.clock.unix_milliseconds()
    }

    fn wait(&self, duration: Duration) {
        self.clock.wait(duration);
    }

    fn stopping(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.clock.stopping()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::{Arc, atomic::Ordering};

    use super::{Claim, Threads};
    use crate::account::Adjusted;
    use crate::clock::Stop;
    use crate::config;
    use crate::imap::mailbox_name::MailboxName;
    use crate::imap::session::list_mailboxes::Listing;
    use crate::mailbox::Until;
    use crate::supervisor::{Manner, Program, Supervisor, Tally};

    /// An account whose server is not there, so that its mailboxes only ever wait.
    fn threads() -> (Threads, mpsc::Receiver<()>) {
        let arguments = [
            "server=127.0.0.1:1",
            "username=u",
            "password=p",
            "inbox_names[0]=*",
            "after_delivery=move:Done",
            "client_options.dest_url=stdout:",
        ];
        let loaded = config::from_arguments(arguments, &|name| (name == "HOME").then(|| "/nowhere".to_owned()));
        let mut supervisor = Supervisor::prepare(loaded.unwrap().adapters).unwrap();
        let watch = Arc::new(supervisor.watches.pop().unwrap());
        let manner = Manner {
            dry_run: true,
            ..Manner::default()
        };
        supervisor.common.open(&watch.adapter.state_dir, manner).unwrap();
        let program = Program {
            stop: supervisor.stop,
            clock: supervisor.clock,
            common: supervisor.common,
            until: Until::Stopped,
            tally: Tally::default(),
        };
        let (ended, ends) = mpsc::channel();
        (Threads::new(watch, Arc::new(program), ended), ends)
    }

    fn listing(names: &[&str]) -> Listing {
        Listing::from(names)
    }

    /// Those that are not told to end.
    fn running(threads: &Threads) -> Vec<&str> {
        let running = threads.running.iter();
        let lasting = running.filter(|(_, running)| !running.lifetime.over.load(Ordering::SeqCst));
        lasting.map(|(name, _)| name.as_str()).collect()
    }

    /// All threads end, and nothing is claimed any more.
    fn ends(threads: Vec<Threads>, ends: &mpsc::Receiver<()>) {
        let program = Arc::clone(&threads[0].program);
        program.stop.ask();
        threads[0].watch.turns.close();
        drop(threads);
        assert!(ends.recv().is_err(), "every thread ends");
        assert!(program.common.claims.lock().unwrap().is_empty());
    }

    const SOON: Adjusted = Adjusted {
        soon: true,
        comes_back: false,
        unwatched: None,
    };

    #[test]
    fn mailboxes_come_and_go_as_they_are_listed() {
        let (mut threads, end) = threads();
        assert_eq!(threads.adjust(&listing(&["a", "b"])), Adjusted::default());
        assert_eq!(threads.adjust(&listing(&["b", "a", "c", "Done"])), Adjusted::default());
        assert_eq!(
            running(&threads),
            ["a", "b", "c"],
            "where mails are moved to is left out"
        );
        assert_eq!(threads.adjust(&listing(&["a", "c"])), SOON);
        assert_eq!(running(&threads), ["a", "c"], "it was told to end");
        assert_eq!(
            threads.adjust(&listing(&["a", "c"])),
            Adjusted::default(),
            "it is missed once"
        );
        // It waits for its server yet, unless that was quick, and is not taken for another section's.
        let adjusted = threads.adjust(&listing(&["a", "b", "c"]));
        let runs = running(&threads) == ["a", "b", "c"];
        assert!(adjusted.unwatched.is_none(), "{adjusted:?}");
        assert!(runs || adjusted.soon && adjusted.comes_back, "{adjusted:?}");
        ends(vec![threads], &end);
    }

    #[test]
    fn what_another_section_watches_is_told_for_as_long_as_it_does() {
        let (mut threads, end) = threads();
        threads.adjust(&listing(&["a"]));
        let mut others = Threads::new(
            Arc::clone(&threads.watch),
            Arc::clone(&threads.program),
            threads.ended.clone(),
        );
        for _ in 0..2 {
            let Adjusted { soon, unwatched, .. } = others.adjust(&listing(&["a", "d"]));
            assert!(!soon && unwatched.unwrap().starts_with("a: another section"));
            assert_eq!(running(&others), ["d"]);
        }
        assert_eq!(others.adjust(&listing(&["d"])), Adjusted::default());
        ends(vec![threads, others], &end);
    }

    #[test]
    fn what_a_section_that_ends_still_watches_is_asked_for_again_soon() {
        let (mut threads, end) = threads();
        threads.adjust(&listing(&["a"]));
        // Its thread waits for a receiver, say, for longer than the configuration's change did.
        let held = Claim::on(&threads.program, &threads.watch, &MailboxName::new("b"))
            .ok()
            .unwrap();
        let program = Program {
            stop: Stop::new(),
            clock: Arc::clone(&threads.program.clock),
            common: Arc::clone(&threads.program.common),
            until: Until::Stopped,
            tally: Tally::default(),
        };
        let (watch, ended) = (Arc::clone(&threads.watch), threads.ended.clone());
        let mut others = Threads::new(watch, Arc::new(program), ended);
        threads.program.stop.ask();
        let Adjusted { soon, unwatched, .. } = others.adjust(&listing(&["b"]));
        let unwatched = unwatched.unwrap();
        assert!(
            soon && unwatched.starts_with("b: the one that watched it before"),
            "{unwatched}"
        );
        drop(held);
        assert_eq!(others.adjust(&listing(&["b"])), Adjusted::default());
        others.program.stop.ask();
        ends(vec![threads, others], &end);
    }

    #[test]
    fn a_thread_that_cannot_start_is_told_and_tried_again_soon() {
        let (mut threads, end) = threads();
        threads.stack = 1 << 47;
        let Adjusted { soon, unwatched, .. } = threads.adjust(&listing(&["a", "b"]));
        let unwatched = unwatched.unwrap();
        assert!(
            soon && unwatched.starts_with("a: cannot start a thread: "),
            "{unwatched}"
        );
        assert!(unwatched.ends_with("; and 1 more, as the log tells"), "{unwatched}");
        threads.stack = crate::limits::WATCHING_STACK;
        assert_eq!(threads.adjust(&listing(&["a", "b"])), Adjusted::default());
        assert_eq!(running(&threads), ["a", "b"]);
        ends(vec![threads], &end);
    }
}
