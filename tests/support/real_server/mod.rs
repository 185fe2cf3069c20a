//! Real IMAP servers, private and on loopback, started and killed by the test that owns them: no script, no daemon of the
//! system. What they have in common is here, what each needs in a file of its own, and the other session, which delivers,
//! expunges and deletes behind the collector's back, in `other_session.rs`.

pub mod courier;
pub mod cyrus;
pub mod dovecot;
pub mod other_session;

use std::fs::{self, File};
use std::marker::PhantomData;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::collector::Configuration;
use super::folder::Folder;
use super::receiver::Receiver;
use super::shared::in_ci;
use super::{PATIENCE, certificates, port};
use other_session::OtherSession;

/// Who has a mailbox.
pub const USERS: [&str; 2] = ["u1", "u2"];
/// The password of them all.
pub const PASSWORD: &str = "canary-pw";

/// User and group `mail`, which every Debian has under this number: whose the mails are where the tests run as root.
const MAIL: u32 = 8;

/// What one kind of server needs.
pub trait Kind {
    const NAME: &'static str;
    /// A mailbox that can be deleted and made again, which no INBOX can.
    const MAILBOX: &'static str;
    /// Whether a session ends with its mailbox. Else it goes on in the one that is made instead.
    const ENDS_SESSIONS_ON_DELETION: bool;

    /// Whether nobody but root can run it.
    const NEEDS_ROOT: bool = false;

    /// Why it cannot run on this machine.
    fn missing() -> Option<String>;

    /// Writes configuration and users.
    fn set_up(place: &Place);

    /// The programs that it consists of, in the order of their start.
    fn commands(place: &Place) -> Vec<Command>;

    /// What else must be there, once the ports are.
    fn is_ready(_place: &Place) -> bool {
        true
    }

    /// Takes away what it left behind when it was killed, and would wait for.
    fn clear_up(_place: &Place) {}
}

/// Where a server lives.
pub struct Place {
    base: Folder,
    /// Clear text, and STARTTLS.
    pub imap: u16,
    /// TLS from the first byte.
    pub imaps: u16,
    is_root: bool,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// A folder below `base`, for the server's use.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        self.give(&path);
        path
    }

    /// To the user that the mails belong to.
    fn give(&self, path: &Path) {
        if self.is_root {
            chown(path, Some(MAIL), Some(MAIL)).unwrap();
        }
    }

    /// The good certificate of `testdata/tls` and its key, as the names of two files that the server can read.
    fn certificate(&self) -> [PathBuf; 2] {
        ["server.pem", "server_key.pem"].map(|name| {
            let path = self.path(name);
            fs::copy(certificates::authority().with_file_name(name), &path).unwrap();
            self.give(&path);
            path
        })
    }
}

/// A server at work, with an empty INBOX for each of [`USERS`]; killed when it is dropped, a panic included.
pub struct RealServer<K: Kind> {
    pub place: Place,
    running: Vec<Child>,
    kind: PhantomData<K>,
}

impl<K: Kind> RealServer<K> {
    /// `None`, with the reason printed, where this machine has no such server, which in CI is a failure, or this user may
    /// not run it.
    pub fn start() -> Option<RealServer<K>> {
        if let Some(reason) = K::missing() {
            assert!(!in_ci(), "{}: {reason}, and this is CI", K::NAME);
            println!("skipped: {}: {reason}", K::NAME);
            return None;
        }
        if K::NEEDS_ROOT && !is_root() {
            assert!(
                !in_ci(),
                "{}: only root can confine it to its folder, and this is CI",
                K::NAME
            );
            println!("skipped: {}: only root can confine it to its folder", K::NAME);
            return None;
        }
        let (imap, imaps) = (port::reserve(), port::reserve());
        let base = Folder::new(&K::NAME.to_lowercase());
        let place = Place {
            base,
            imap,
            imaps,
            is_root: is_root(),
        };
        K::set_up(&place);
        let mut server = RealServer {
            place,
            running: Vec::new(),
            kind: PhantomData,
        };
        server.go_on();
        Some(server)
    }

    /// SIGKILL to every process, connections and all.
    pub fn kill(&mut self) {
        for child in &mut self.running {
            signal_group(child, "KILL");
            child.wait().unwrap();
        }
        self.running.clear();
        // The others of a group end in their own time, and hold the ports until then.
        self.wait_for("to let go of its ports", |place| {
            [place.imap, place.imaps].iter().all(|port| !listens(*port))
        });
        K::clear_up(&self.place);
    }

    /// Starts it, the first time or once more, with the mail that it had.
    pub fn go_on(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.place.path("log"))
            .unwrap();
        for mut command in K::commands(&self.place) {
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log.try_clone().unwrap())
                .process_group(0);
            let child = command.spawn();
            self.running
                .push(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        }
        self.wait_for("to listen", |place| {
            [place.imap, place.imaps].iter().all(|port| listens(*port)) && K::is_ready(place)
        });
    }

    /// A configuration for its first user, from zero, over TLS.
    pub fn configuration(&self, receiver: &Receiver, state_dir: &Path) -> Configuration {
        Configuration {
            dest_url: receiver.url(),
            ..self.configuration_for(USERS[0], state_dir)
        }
    }

    /// The same for any user, without a receiver.
    pub fn configuration_for(&self, user: &str, state_dir: &Path) -> Configuration {
        Configuration::new(self.place.imaps, [user, PASSWORD], String::new(), state_dir)
    }

    /// Another session of the first user, logged in.
    pub fn other_session(&self) -> OtherSession {
        OtherSession::log_in(self.place.imap, USERS[0], PASSWORD)
    }

    /// Nobody says when a process begins or ceases to listen, so this is the one place where a test asks again and again.
    fn wait_for(&self, what: &str, holds: impl Fn(&Place) -> bool) {
        let began = Instant::now();
        while !holds(&self.place) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {} {what}", K::NAME);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl<K: Kind> Drop for RealServer<K> {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.place.path("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(10).collect();
            println!("{}'s last words, newest first:\n{}", K::NAME, last.join("\n"));
        }
        for child in &mut self.running {
            signal_group(child, "KILL");
            let _ = child.wait();
        }
    }
}

/// By the shell's own `kill`: the standard library knows no process groups.
fn signal_group(leader: &Child, signal: &str) {
    let kill = format!("kill -{signal} -{}", leader.id());
    let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A server that `.ci/servers` has unpacked; packages of IMAP servers refuse to be installed side by side.
fn unpacked(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers").join(name)
}

fn missing_unpacked(name: &str) -> Option<String> {
    let complete = unpacked(name).join("complete");
    (!complete.exists()).then(|| format!("not on this machine; .ci/servers fetches it ({})", complete.display()))
}

/// What a program prints, or a panic with what it has against it.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
