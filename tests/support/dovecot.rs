//! A real Dovecot, private and on loopback, started and stopped by the script that stands beside the project.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates;
use super::folder::Folder;
use super::shared::{in_ci, shared};

/// Who has a mailbox.
pub const USERS: [&str; 2] = ["u1", "u2"];
/// The password of them all.
pub const PASSWORD: &str = "pw";

/// Signs the OAuth tokens (JWT, HS256) that it takes; their `sub` is the user.
pub const TOKEN_KEY: &str = "mailtap-secret";

/// The script that runs Dovecot; `None`, with the reason printed, where it or Dovecot is missing.
pub fn script() -> Option<PathBuf> {
    let server = Path::new("/usr/sbin/dovecot");
    if !server.exists() {
        assert!(!in_ci(), "{} is missing, and this is CI", server.display());
        println!("skipped: {} is not on this machine", server.display());
        return None;
    }
    shared("servers/dovecot.sh")
}

/// A private Dovecot with an empty Maildir for each of its [`USERS`]; stopped when it is dropped, a panic included.
pub struct Dovecot {
    script: PathBuf,
    base: Folder,
    /// In clear, with STARTTLS.
    pub imap_port: u16,
    pub imaps_port: u16,
    delivered: std::cell::Cell<usize>,
}

impl Dovecot {
    pub fn start(script: &Path) -> Dovecot {
        // Held until both are known, so that they differ.
        let free = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = free.map(|listener| listener.local_addr().unwrap().port());
        let dovecot = Dovecot {
            script: script.to_owned(),
            base: Folder::new("dovecot"),
            imap_port: ports[0],
            imaps_port: ports[1],
            delivered: std::cell::Cell::new(0),
        };
        dovecot.run("start", &ports);
        for user in USERS {
            for folder in ["", "cur", "new", "tmp"] {
                let folder = dovecot.maildir(user).join(folder);
                fs::create_dir_all(&folder).unwrap();
                dovecot.give(&folder);
            }
        }
        dovecot
    }

    /// Puts a mail into the INBOX of `u1`, the way of a Maildir: written in `tmp`, renamed into `new`.
    pub fn deliver(&self, mail: &[u8]) {
        let number = self.delivered.get();
        self.delivered.set(number + 1);
        let name = format!("{}.{number}.localhost", 1_700_000_000 + number);
        let temporary = self.maildir("u1").join("tmp").join(&name);
        fs::write(&temporary, mail).unwrap();
        self.give(&temporary);
        fs::rename(temporary, self.maildir("u1").join("new").join(name)).unwrap();
    }

    /// Another user, of whose password Dovecot has only what `scheme` makes of it.
    pub fn add_user(&self, user: &str, password: &str, scheme: &str) {
        let output = Command::new("doveadm")
            .args(["-c", "/dev/null", "pw", "-s", scheme, "-p", password])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let hash = String::from_utf8(output.stdout).unwrap();
        let file = self.base.path().join("passwd");
        let users = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{users}{user}:{}::::::\n", hash.trim())).unwrap();
    }

    /// One file with Dovecot's authority and the receiver's.
    pub fn trusted_with_receiver(&self) -> PathBuf {
        let dovecots = fs::read_to_string(self.base.path().join("certs/ca.pem")).unwrap();
        let receivers = fs::read_to_string(certificates::authority()).unwrap();
        self.base.write("both.pem", dovecots + &receivers)
    }

    /// The Maildir behind a user's INBOX.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.base.path().join("mail").join(user)
    }

    /// To the owner of the mail folder, which is not root.
    fn give(&self, path: &Path) {
        let owner = fs::metadata(self.base.path().join("mail")).unwrap();
        chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    fn run(&self, what: &str, ports: &[u16]) {
        // Not the test's own output: the daemon would hold it open.
        let log = self.base.path().join(format!("{what}.log"));
        let output = fs::File::create(&log).unwrap();
        let status = Command::new("bash")
            .args([&self.script, &PathBuf::from(what), &self.base.path().to_owned()])
            .args(ports.iter().map(u16::to_string))
            .env("DOVECOT_FORMAT", "maildir")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status()
            .unwrap();
        assert!(
            status.success(),
            "dovecot.sh {what}: {status}: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.base.path().join("dovecot.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(10).collect();
            println!("dovecot's last words, newest first:\n{}", last.join("\n"));
        }
        let _ = Command::new("bash")
            .arg(&self.script)
            .arg("stop")
            .arg(self.base.path())
            .status();
    }
}
