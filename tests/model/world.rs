//! What is true, whatever the program believes: mails, time, the disk, what is still to go wrong, and what the receiver has.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mailtap::event::EventId;
use mailtap::imap::action::Action;
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::imap::resume::Memory;
use sha2::{Digest as _, Sha256};

use super::tally::Tally;

/// Operations after which a schedule counts as endless.
const MOST_STEPS: u64 = 200_000;

/// Longer than any pause that the program makes between two attempts.
const QUIET: Duration = Duration::from_secs(20 * 60);

/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A dead letter, as far as it came.
const TORN: &str = r#"{"id":"00","account":"user@model:143","mailbox":"INBOX","uidvalidity":1,"uid":1,"reason":"torn"#;

/// A seed's numbers (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

static JITTER: AtomicU64 = AtomicU64::new(0);

/// The program's own dice, which a seed begins as well: a plain function, and one schedule at a time.
pub fn jitter() -> u64 {
    Random(JITTER.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)).next()
}

/// What happens to the world, in the order of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    Arrives,
    Expunged,
    /// UIDVALIDITY is another, UIDs stay.
    Revalidated,
    /// UIDVALIDITY is another, UIDs begin at 1 again.
    Renumbered,
    /// The mailbox is deleted and made again, empty.
    MadeAgain,
    /// kill -9; now and then in the middle of a write.
    Killed,
    /// SIGTERM.
    Stopped,
    /// Row 15 of the fault matrix: the wall clock is set a day forward, or back. Monotonic time goes on.
    ClockIsSet,
    /// A fault that somebody will run into.
    Fault(Fault),
}

/// What goes wrong once, at the next occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    // The IMAP server.
    NotThere,
    GreetsWithBye,
    LoginUnavailable,
    NotOpened,
    Drops,
    Silent,
    Bye,
    CommandRefused,
    MailLeftOut,
    MailRefused,
    // The receiver.
    TakesNothing,
    TakesSome,
    AnswerLost,
    Misconfigured,
    RefusesBatch,
    /// It takes some, refuses some, and wants the others later.
    AnswersForEach,
    // The disk.
    NotWritten,
    WrittenAndNotSaid,
    // The artifact store.
    StoreNotThere,
    StoreTakesNothing,
    StoreAnswerLost,
}

impl Fault {
    pub const ALL: [Fault; 21] = [
        Fault::NotThere,
        Fault::GreetsWithBye,
        Fault::LoginUnavailable,
        Fault::NotOpened,
        Fault::Drops,
        Fault::Silent,
        Fault::Bye,
        Fault::CommandRefused,
        Fault::MailLeftOut,
        Fault::MailRefused,
        Fault::TakesNothing,
        Fault::TakesSome,
        Fault::AnswerLost,
        Fault::Misconfigured,
        Fault::RefusesBatch,
        Fault::AnswersForEach,
        Fault::NotWritten,
        Fault::WrittenAndNotSaid,
        Fault::StoreNotThere,
        Fault::StoreTakesNothing,
        Fault::StoreAnswerLost,
    ];
}

/// One mail of the mailbox, known by its number.
#[derive(Debug, Default)]
pub struct Mail {
    /// It came before the start point.
    pub unwanted: bool,
    pub expunged: bool,
    /// The receiver will never take it.
    pub refused: bool,
    /// So many times the server does not give it.
    pub cursed: usize,
    /// How often the receiver has it.
    pub stored: usize,
}

/// What the program is asked, or what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Runs,
    Asked,
    Killed,
}

pub struct World {
    truth: Mutex<Truth>,
}

/// How a schedule is set up.
pub struct Manner {
    pub from_zero: bool,
    pub stores_attachments: bool,
    /// Where it refuses some of a batch, the receiver says which.
    pub answers_for_each: bool,
}

pub struct Truth {
    seed: u64,
    pub random: Random,
    pub now: Duration,
    /// What the wall clock is ahead, in milliseconds.
    pub clock_ahead: i64,
    pub uid_validity: u32,
    pub uid_next: u32,
    /// The mailbox: UID to number.
    pub mailbox: BTreeMap<u32, usize>,
    pub mails: Vec<Mail>,
    /// Every name that a mail ever had: UIDVALIDITY and UID.
    names: BTreeMap<(u32, u32), usize>,
    /// Mails that the program has marked as deleted.
    marked: BTreeSet<usize>,
    ids: HashMap<EventId, (u32, u32)>,
    /// Connections of an earlier age are closed.
    pub age: u32,
    schedule: VecDeque<Happening>,
    /// Operations until the next happening.
    pause: usize,
    faults: Vec<Fault>,
    pub process: Process,
    pub manner: Manner,
    pub after_delivery: Option<Action>,
    pub disk: Option<Memory>,
    /// What the artifact store has acknowledged.
    pub artifacts: HashSet<[u8; 32]>,
    /// The process' other files live here.
    pub folder: PathBuf,
    /// They are as they were when it was killed.
    pub files_at_death: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// When something happened, or was fetched, last.
    busy: Duration,
    pub ended: bool,
    steps: u64,
    tally: Tally,
}

impl World {
    pub fn new(seed: u64) -> Arc<World> {
        let mut random = Random(seed);
        let schedule = schedule(&mut random);
        World::with(seed, random, schedule)
    }

    /// The same, but that the clock is set before everything that happens.
    pub fn restless(seed: u64) -> Arc<World> {
        let mut random = Random(seed);
        let schedule = schedule(&mut random).into_iter();
        let schedule = schedule
            .flat_map(|happening| [Happening::ClockIsSet, happening])
            .collect();
        World::with(seed, random, schedule)
    }

    fn with(seed: u64, mut random: Random, schedule: VecDeque<Happening>) -> Arc<World> {
        let folder = std::env::temp_dir().join(format!("mailtap-model-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut truth = Truth {
            seed,
            now: Duration::ZERO,
            clock_ahead: 0,
            uid_validity: 1,
            uid_next: 1,
            mailbox: BTreeMap::new(),
            mails: Vec::new(),
            names: BTreeMap::new(),
            marked: BTreeSet::new(),
            ids: HashMap::new(),
            age: 0,
            schedule,
            pause: 0,
            faults: Vec::new(),
            process: Process::Runs,
            manner: Manner {
                from_zero: random.once_in(2),
                stores_attachments: random.once_in(5),
                answers_for_each: random.once_in(3),
            },
            after_delivery: match random.below(6) {
                0 => Some(Action::Delete),
                1 => Some(Action::Move(MailboxName::new("Collected"))),
                _ => None,
            },
            disk: None,
            artifacts: HashSet::new(),
            folder,
            files_at_death: Vec::new(),
            busy: Duration::ZERO,
            ended: false,
            steps: 0,
            tally: Tally::default(),
            random,
        };
        for file in truth.files() {
            let _ = std::fs::remove_file(file);
        }
        for _ in 0..truth.random.below(6) {
            truth.happen(Happening::Arrives);
        }
        JITTER.store(seed, Ordering::Relaxed);
        Arc::new(World {
            truth: Mutex::new(truth),
        })
    }

    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().expect("one thread")
    }

    /// After everything: points 1 and 6.
    pub fn judge(&self) -> Tally {
        let mut truth = self.truth();
        let lost: Vec<usize> = (0..truth.mails.len())
            .filter(|number| !truth.is_done(*number))
            .collect();
        assert!(
            lost.is_empty(),
            "seed {}: lost {lost:?} of {:?}",
            truth.seed,
            truth.mails
        );
        truth.tally.schedules = 1;
        truth.tally.mails = truth.mails.len();
        truth.tally.stored = truth.mails.iter().filter(|mail| mail.stored > 0).count();
        truth.tally.again = truth.mails.iter().map(|mail| mail.stored.saturating_sub(1)).sum();
        truth.tally.dead = truth.dead_letters().len();
        std::mem::take(&mut truth.tally)
    }
}

fn schedule(random: &mut Random) -> VecDeque<Happening> {
    let mut schedule = VecDeque::new();
    for _ in 0..random.below(16) {
        let happening = match random.below(20) {
            0..=4 => Happening::Arrives,
            5 => Happening::Expunged,
            6 => match random.below(3) {
                0 => Happening::Revalidated,
                1 => Happening::Renumbered,
                _ => Happening::MadeAgain,
            },
            7..=9 => Happening::Killed,
            10 => Happening::Stopped,
            11 => Happening::ClockIsSet,
            _ => Happening::Fault(Fault::ALL[random.below(Fault::ALL.len())]),
        };
        schedule.push_back(happening);
    }
    schedule
}

/// The bytes of a mail: its number, what would be the server's own words if the program took them for such, and in every
/// third an attachment.
pub fn content(number: usize) -> Vec<u8> {
    let text = format!("* BYE\r\nA3 OK done\r\n* 1 FETCH (UID {number} BODY[] {{3}}\r\nabc)\r\n* 9 EXISTS\r\n");
    let mail = match attachment(number) {
        None => format!("Subject: mail {number}\r\n\r\n{text}"),
        Some(attachment) => format!(
            "Subject: mail {number}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\n\r\n{text}--b\r\nContent-Disposition: attachment; filename=a\r\n\r\n{attachment}\r\n--b--\r\n"
        ),
    };
    mail.into_bytes()
}

/// The same in several mails: it is stored once, or again.
fn attachment(number: usize) -> Option<String> {
    number.is_multiple_of(3).then(|| format!("attachment {}", number / 6))
}

impl Truth {
    /// An operation of the program: time for something to happen.
    pub fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "seed {}: no end: {:?}", self.seed, self.mails);
        if self.pause > 0 {
            self.pause -= 1;
        } else {
            self.happen_next();
        }
    }

    /// The program waits: the next thing happens now.
    pub fn happen_next(&mut self) -> bool {
        let Some(happening) = self.schedule.pop_front() else {
            return false;
        };
        let most = [3, 12, 60][self.random.below(3)];
        self.pause = self.random.below(most);
        self.happen(happening);
        true
    }

    fn happen(&mut self, happening: Happening) {
        self.was_busy();
        match happening {
            Happening::Arrives => {
                for _ in 0..=self.random.below(4) {
                    self.arrives();
                }
            }
            Happening::Expunged => {
                let uids: Vec<u32> = self.mailbox.keys().copied().collect();
                if !uids.is_empty() {
                    let uid = uids[self.random.below(uids.len())];
                    self.expunge(uid);
                }
            }
            Happening::Revalidated => self.renumber(|uid, _| uid),
            Happening::Renumbered => self.renumber(|_, place| place),
            Happening::MadeAgain => {
                for uid in self.mailbox.keys().copied().collect::<Vec<u32>>() {
                    self.expunge(uid);
                }
                self.renumber(|_, place| place);
            }
            Happening::Killed if self.process == Process::Runs => {
                self.process = Process::Killed;
                self.tally.kills += 1;
                let files = self.files().into_iter();
                self.files_at_death = files.map(|file| (file.clone(), std::fs::read(&file).ok())).collect();
                if self.random.once_in(4) {
                    self.tear_files();
                }
            }
            Happening::Stopped if self.process == Process::Runs => self.process = Process::Asked,
            Happening::Killed | Happening::Stopped => {}
            Happening::ClockIsSet => {
                self.tally.clock_set += 1;
                self.clock_ahead += [-DAY, DAY][self.random.below(2)];
            }
            Happening::Fault(fault) => self.faults.push(fault),
        }
    }

    /// It was killed in the middle of a dead letter, and the disk has lost the end of the attempts.
    fn tear_files(&mut self) {
        let torn = 1 + self.random.below(TORN.len());
        let lost = self.random.below(60);
        self.tally.torn += 1;
        let [letters, attempts] = &mut self.files_at_death[..] else {
            panic!("two files")
        };
        letters.1.get_or_insert_default().extend(&TORN.as_bytes()[..torn]);
        if let Some(attempts) = &mut attempts.1 {
            attempts.truncate(attempts.len().saturating_sub(lost));
        }
    }

    fn arrives(&mut self) {
        let number = self.mails.len();
        let cursed = if self.random.once_in(40) {
            self.random.below(20)
        } else {
            0
        };
        self.mails.push(Mail {
            refused: self.random.once_in(30),
            cursed,
            ..Mail::default()
        });
        // UIDs have holes.
        let uid = self.uid_next + u32::from(self.random.once_in(5));
        self.uid_next = uid + 1;
        self.mailbox.insert(uid, number);
        self.names.insert((self.uid_validity, uid), number);
    }

    fn expunge(&mut self, uid: u32) {
        let number = self.mailbox.remove(&uid).expect("a mail");
        self.mails[number].expunged = true;
    }

    /// The server closes every connection: none of them can go on.
    fn renumber(&mut self, name: impl Fn(u32, u32) -> u32) {
        self.tally.renumbered += 1;
        self.age += 1;
        self.uid_validity += 1;
        let before = std::mem::take(&mut self.mailbox);
        self.uid_next = 1;
        for (place, (uid, number)) in before.into_iter().enumerate() {
            let uid = name(uid, u32::try_from(place).unwrap() + 1);
            self.mailbox.insert(uid, number);
            self.names.insert((self.uid_validity, uid), number);
            self.uid_next = uid + 1;
        }
    }

    /// The program marks mails as deleted.
    pub fn mark(&mut self, uids: impl Iterator<Item = u32>) {
        for uid in uids {
            if let Some(number) = self.mailbox.get(&uid) {
                self.marked.insert(*number);
            }
        }
    }

    /// The program removes mails, if they are marked or if it moves them: what the receiver does not have must stay.
    pub fn remove(&mut self, uids: impl Iterator<Item = u32>, moves: bool) {
        for uid in uids {
            let number = self.mailbox.get(&uid).copied();
            if let Some(number) = number.filter(|number| moves || self.marked.contains(number)) {
                assert!(
                    self.mails[number].stored > 0,
                    "seed {}: mail {number} is removed undelivered",
                    self.seed
                );
                self.mailbox.remove(&uid);
                self.tally.removed += 1;
            }
        }
    }

    /// Whether this goes wrong now.
    pub fn goes_wrong(&mut self, fault: Fault) -> bool {
        let at = self.faults.iter().position(|pending| *pending == fault);
        if let Some(at) = at {
            self.faults.remove(at);
            *self.tally.faults.entry(fault).or_default() += 1;
        }
        at.is_some()
    }

    /// A mail was asked for.
    pub fn was_busy(&mut self) {
        self.busy = self.now;
    }

    /// There is no news. That nothing has happened, and nothing was fetched, for [`QUIET`] is the end.
    pub fn was_quiet(&mut self) {
        if self.schedule.is_empty() {
            self.faults.clear();
            self.ended = self.now.saturating_sub(self.busy) > QUIET;
        }
    }

    /// The files of the process, but for the checkpoint.
    fn files(&self) -> [PathBuf; 2] {
        [self.dead_letter_file(), self.attempts_file()]
    }

    pub fn dead_letter_file(&self) -> PathBuf {
        self.folder.join("dead")
    }

    pub fn attempts_file(&self) -> PathBuf {
        self.folder.join("attempts")
    }

    /// The receiver has an event.
    pub fn store(&mut self, id: EventId, name: (u32, u32), hashes: &[u8]) {
        let (sha256, artifacts) = hashes.split_at(32);
        let number = *self.names.get(&name).expect("a mail of the mailbox");
        let expected = Sha256::digest(content(number));
        assert_eq!(sha256, &expected[..], "seed {}: mail {number} is another", self.seed);
        for artifact in artifacts.chunks(32) {
            let expected: Option<[u8; 32]> = attachment(number).map(|text| Sha256::digest(text).into());
            assert_eq!(
                Some(artifact),
                expected.as_ref().map(|hash| &hash[..]),
                "seed {}",
                self.seed
            );
            let there = self.artifacts.contains(artifact);
            assert!(
                there,
                "seed {}: mail {number} names what the store does not have",
                self.seed
            );
            self.tally.artifacts += 1;
        }
        let before = self.ids.insert(id, name);
        assert!(
            before.is_none_or(|before| before == name),
            "seed {}: one id for two mails",
            self.seed
        );
        let others = self.ids.values().filter(|other| **other == name).count();
        assert_eq!(others, 1, "seed {}: two ids for mail {number}", self.seed);
        self.mails[number].stored += 1;
    }

    /// Whether the receiver refuses it.
    pub fn is_refused(&self, name: (u32, u32)) -> bool {
        self.mails[*self.names.get(&name).expect("a mail of the mailbox")].refused
    }

    /// The disk holds a checkpoint: point 2.
    pub fn remembers(&mut self, memory: &Memory) {
        let validity = memory.position.uid_validity;
        if self.disk.is_none() && !self.manner.from_zero {
            for ((_, uid), number) in self.names.range((validity, 0)..=(validity, u32::MAX)) {
                self.mails[*number].unwanted = u64::from(*uid) < memory.position.next_uid;
            }
        }
        let passed = |uid: u32| {
            let uid = u64::from(uid);
            uid < memory.position.next_uid || memory.done.iter().any(|range| range.contains(&uid))
        };
        let names = self.names.range((validity, 0)..=(validity, u32::MAX));
        let numbers: Vec<usize> = names
            .filter(|((_, uid), _)| passed(*uid))
            .map(|(_, number)| *number)
            .collect();
        for number in numbers {
            assert!(
                self.is_done(number),
                "seed {}: the checkpoint passes mail {number}",
                self.seed
            );
        }
        self.disk = Some(memory.clone());
    }

    fn is_done(&self, number: usize) -> bool {
        let mail = &self.mails[number];
        mail.stored > 0 || mail.unwanted || mail.expunged || self.dead_letters().contains(&number)
    }

    fn dead_letters(&self) -> Vec<usize> {
        let text = std::fs::read_to_string(self.dead_letter_file()).unwrap_or_default();
        let number = |line: &str| {
            let Ok(letter) = serde_json::from_str::<serde_json::Value>(line) else {
                assert!(TORN.starts_with(line), "seed {}: {line}", self.seed);
                return None;
            };
            let part = |key: &str| u32::try_from(letter[key].as_u64().unwrap()).unwrap();
            let name = (part("uidvalidity"), part("uid"));
            Some(*self.names.get(&name).expect("a mail of the mailbox"))
        };
        text.lines().filter_map(number).collect()
    }
}
