//! Dovecot, as its package has installed it, with every way to log in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Kind, PASSWORD, Place, RealServer, USERS, output};

pub struct Dovecot;

/// Signs the OAuth tokens (JWT, HS256) that it takes; their `sub` is the user.
pub const TOKEN_KEY: &str = "mailtap-secret";

impl Kind for Dovecot {
    const NAME: &'static str = "Dovecot";
    const MAILBOX: &'static str = "Journal";
    const ENDS_SESSIONS_ON_DELETION: bool = true;

    fn missing() -> Option<String> {
        let program = Path::new("/usr/sbin/dovecot");
        (!program.exists()).then(|| format!("{} is not on this machine", program.display()))
    }

    fn set_up(place: &Place) {
        place.give(place.base.path());
        place.folder("mail");
        for user in USERS {
            for folder in ["", "cur", "new", "tmp"] {
                place.folder(&format!("mail/{user}/{folder}"));
            }
        }
        let passwords = USERS.map(|user| format!("{user}:{{PLAIN}}{PASSWORD}::::::\n"));
        place.base.write("passwd", passwords.concat());
        let keys = place.path("keys/default/HS256");
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("default"), BASE64_STANDARD.encode(TOKEN_KEY)).unwrap();
        let base = place.path("");
        let base = base.display();
        let tokens = format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={base}/keys/\nusername_attribute = sub\n"
        );
        place.base.write("oauth2.conf", tokens);
        place.base.write("dovecot.conf", configuration(place));
    }

    /// Whoever held the lock on a mailbox is believed to hold it for two minutes after its death.
    fn clear_up(place: &Place) {
        for user in USERS {
            let inbox = place.path("mail").join(user);
            let others = fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap().path());
            for mailbox in others.chain([inbox.clone()]) {
                let _ = fs::remove_file(mailbox.join("dovecot-uidlist.lock"));
            }
        }
    }

    fn commands(place: &Place) -> Vec<Command> {
        let mut dovecot = Command::new("/usr/sbin/dovecot");
        dovecot.arg("-F").arg("-c").arg(place.path("dovecot.conf"));
        vec![dovecot]
    }
}

fn configuration(place: &Place) -> String {
    let [certificate, key] = place.certificate();
    let base = place.path("");
    let (mut mail, mut group, mut users) = ("mail".to_owned(), "mail".to_owned(), String::new());
    if !place.is_root {
        // Everything as whoever runs the tests, who may not confine processes.
        mail = output(Command::new("id").arg("-un"));
        group = output(Command::new("id").arg("-gn"));
        users = format!(
            "default_internal_user = {mail}
default_internal_group = {group}
default_login_user = {mail}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}"
        );
    }
    format!(
        "base_dir = {base}/run
state_dir = {base}/state
log_path = /dev/stderr
listen = 127.0.0.1
protocols = imap
{users}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login scram-sha-256 xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:{base}/mail/%u
mail_plugins = zlib
mail_max_userip_connections = 200
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = {base}/passwd
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {base}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={mail} gid={group} home={base}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
  }}
}}
protocol imap {{
  # COMPRESS
  mail_plugins = zlib imap_zlib
}}
service anvil {{
  # No pause for an address that gave a wrong password: here all have the same one.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
",
        base = base.display(),
        certificate = certificate.display(),
        key = key.display(),
        imap = place.imap,
        imaps = place.imaps,
    )
}

impl RealServer<Dovecot> {
    /// Puts a mail into the INBOX of `u1`, the way of a Maildir: written in `tmp`, renamed into `new`. Thousands of mails
    /// come sooner this way than by [`super::other_session`].
    pub fn deliver(&self, mail: &[u8]) {
        self.deliver_to(USERS[0], mail);
    }

    /// The same for any user, or another mailbox.
    pub fn deliver_to(&self, user: &str, mail: &[u8]) {
        let (temporary, new) = self.next_names(user);
        fs::write(&temporary, mail).unwrap();
        self.place.give(&temporary);
        fs::rename(temporary, new).unwrap();
    }

    /// One file, which is as so many mails of `u1`: their bytes are on the disk once.
    pub fn deliver_links(&self, file: &Path, count: usize) {
        self.place.give(file);
        for _ in 0..count {
            let (_, new) = self.next_names(USERS[0]);
            fs::hard_link(file, new).unwrap();
        }
    }

    /// Where the next mail is written, and where it is renamed to.
    fn next_names(&self, user: &str) -> (PathBuf, PathBuf) {
        static DELIVERED: AtomicU64 = AtomicU64::new(0);
        let number = DELIVERED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{number}.localhost", 1_700_000_000 + number);
        let maildir = self.maildir(user);
        (maildir.join("tmp").join(&name), maildir.join("new").join(name))
    }

    /// Another user, of whose password Dovecot has only what `scheme` makes of it.
    pub fn add_user(&self, user: &str, password: &str, scheme: &str) {
        let hash = output(Command::new("doveadm").args(["-c", "/dev/null", "pw", "-s", scheme, "-p", password]));
        let file = self.place.path("passwd");
        let users = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{users}{user}:{hash}::::::\n")).unwrap();
        self.create_maildir(user);
    }

    /// A mailbox beside INBOX, which gives what [`RealServer::deliver_to`] takes.
    pub fn create_mailbox(&self, user: &str, name: &str) -> String {
        let maildir = format!("{user}/.{name}");
        self.create_maildir(&maildir);
        maildir
    }

    fn create_maildir(&self, name: &str) {
        for folder in ["", "cur", "new", "tmp"] {
            self.place.folder(&format!("mail/{name}/{folder}"));
        }
    }

    /// The Maildir behind a user's INBOX.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.place.path("mail").join(user)
    }
}
