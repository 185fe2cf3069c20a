//! The threads of one account's mailboxes: which run, which begin, which are to end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Program, Watch};
use crate::clock::{Clock, SystemClock};
use crate::imap::action::Action;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::wanted::Wanted;
use crate::{limits, log};

/// The threads of one account's mailboxes.
pub(super) struct Threads {
    watch: Arc<Watch>,
    program: Arc<Program>,
    ended: Sender<()>,
    running: BTreeMap<MailboxName, Running>,
    /// The server's listing has been seen: what was not in it and comes later is a new mailbox.
    listed: bool,
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
    /// Listed by the server, and not there when it was asked before: all mail in it is new.
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
            listed: false,
        }
    }

    /// Begins to watch the mailboxes that are known by name. Where there are others, a thread of its own asks the server
    /// which, now and later.
    pub fn begin(mut self) -> io::Result<()> {
        let watch = Arc::clone(&self.watch);
        let wanted = &watch.adapter.mailboxes;
        for name in wanted.iter().filter_map(Wanted::name) {
            self.start(name, Kind::Named)?;
        }
        if wanted.iter().all(|wanted| wanted.name().is_some()) {
            return Ok(());
        }
        let counters = Arc::default();
        let account = watch.account(&self.program, &counters);
        let entered = watch.enter(&self.program, None, &counters);
        let work = move || {
            let program = Arc::clone(&self.program);
            if !account.follow(|mailboxes| self.adjust(mailboxes)) {
                program.tally.fell_behind();
            }
            drop(entered);
        };
        thread::Builder::new().name("account".to_owned()).spawn(work)?;
        Ok(())
    }

    /// Begins to watch `name`, unless it is watched already.
    fn start(&mut self, name: &MailboxName, kind: Kind) -> io::Result<()> {
        if self
            .running
            .get(name)
            .is_some_and(|running| !running.thread.is_finished())
        {
            return Ok(());
        }
        let Some(claim) = Claim::on(&self.program, &self.watch, name) else {
            log::error(
                "another section of the configuration watches this mailbox of this account; this one does not",
                &[("username", &self.watch.adapter.imap.username), ("mailbox", name)],
            );
            return Ok(());
        };
        let lifetime = Arc::new(Lifetime::new(Arc::clone(&self.program.clock)));
        let (watch, program, ended) = (Arc::clone(&self.watch), Arc::clone(&self.program), self.ended.clone());
        let work = {
            let (name, lifetime) = (name.clone(), Arc::clone(&lifetime));
            move || {
                watch.keep_running(&name, kind, &lifetime, &program);
                drop(claim);
                drop(ended);
            }
        };
        let thread = thread::Builder::new()
            .name("mailbox".to_owned())
            .stack_size(limits::WATCHING_STACK)
            .spawn(work)?;
        self.running.insert(name.clone(), Running { lifetime, thread });
        Ok(())
    }

    /// Begins to watch those of `mailboxes` that are not watched yet, and ends what is watched and not among them. Says
    /// whether one went.
    fn adjust(&mut self, mailboxes: &[MailboxName]) -> bool {
        let kind = if std::mem::replace(&mut self.listed, true) {
            Kind::New
        } else {
            Kind::Listed
        };
        // Into which delivered mails are moved: they would be delivered again from there.
        let destination = self.watch.adapter.after_delivery.as_ref().and_then(Action::destination);
        let mailboxes: Vec<MailboxName> = mailboxes
            .iter()
            .filter(|name| Some(*name) != destination)
            .cloned()
            .collect();
        for name in &mailboxes {
            // One that ended by itself comes back here, and its checkpoint knows it.
            if let Err(error) = self.start(name, kind) {
                log::error("cannot start a thread", &[("mailbox", name), ("reason", &error)]);
                self.program.tally.fell_behind();
            }
        }
        let there: BTreeSet<&MailboxName> = mailboxes.iter().collect();
        let mut gone = false;
        self.running.retain(|name, running| {
            let keep = there.contains(name);
            if !keep {
                gone = true;
                running.lifetime.end();
                log::info(
                    "the mailbox is no longer listed and will not be watched; its checkpoint stays",
                    &[("username", &self.watch.adapter.imap.username), ("mailbox", name)],
                );
            }
            keep
        });
        gone
    }
}

/// A mailbox of an account that one thread of the process watches: two would share its checkpoint.
struct Claim {
    program: Arc<Program>,
    key: (String, String),
}

/// Accounts and mailboxes that are watched.
pub(super) type Claims = Mutex<BTreeSet<(String, String)>>;

impl Claim {
    fn on(program: &Arc<Program>, watch: &Watch, name: &MailboxName) -> Option<Claim> {
        let key = (watch.adapter.imap.account(), name.as_str().to_owned());
        let mut claims = program.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.insert(key.clone()).then(|| Claim {
            program: Arc::clone(program),
            key,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self.program.claims.lock().unwrap_or_else(PoisonError::into_inner);
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

    use super::{Claims, Threads};
    use crate::config;
    use crate::imap::mailbox_name::MailboxName;
    use crate::mailbox::Until;
    use crate::supervisor::{Program, Supervisor, Tally};

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
        let program = Program {
            stop: supervisor.stop,
            clock: supervisor.clock,
            directories: std::collections::BTreeMap::new(),
            claims: Claims::default(),
            until: Until::Stopped,
            tally: Tally::default(),
            registry: Arc::default(),
        };
        let (ended, ends) = mpsc::channel();
        (Threads::new(watch, Arc::new(program), ended), ends)
    }

    fn names(names: &[&str]) -> Vec<MailboxName> {
        names.iter().map(|name| MailboxName::new(name)).collect()
    }

    #[test]
    fn mailboxes_come_and_go_as_they_are_listed() {
        let (mut threads, ends) = threads();
        let program = Arc::clone(&threads.program);
        let running = |threads: &Threads| threads.running.keys().cloned().collect::<Vec<_>>();
        assert!(!threads.adjust(&names(&["a", "b"])));
        assert!(!threads.adjust(&names(&["b", "a", "c", "Done"])));
        assert_eq!(
            running(&threads),
            names(&["a", "b", "c"]),
            "where mails are moved to is left out"
        );
        let lifetime = Arc::clone(&threads.running[&names(&["b"])[0]].lifetime);
        assert!(threads.adjust(&names(&["a", "c"])));
        assert!(lifetime.over.load(Ordering::SeqCst), "it was told to end");
        assert_eq!(running(&threads), names(&["a", "c"]));
        assert!(!threads.adjust(&names(&["a", "c"])), "it is missed once");

        // Another section of the same account finds them taken.
        let mut others = Threads::new(Arc::clone(&threads.watch), Arc::clone(&program), threads.ended.clone());
        others.adjust(&names(&["a", "d"]));
        assert_eq!(running(&others), names(&["d"]));

        program.stop.ask();
        threads.watch.turns.close();
        drop((threads, others));
        assert!(ends.recv().is_err(), "every thread ends");
        assert!(program.claims.lock().unwrap().is_empty());
    }
}
