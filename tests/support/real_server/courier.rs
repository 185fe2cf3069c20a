//! Courier IMAP. It has its paths compiled in, so each server is a folder of its own to which it is confined (chroot).

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Kind, MAIL, PASSWORD, Place, USERS, missing_unpacked, output, unpacked};

pub struct Courier;

/// As Debian has them, but for the seconds between two looks at the mailbox in IDLE, which are 60.
const SETTINGS: [(&str, &str); 10] = [
    ("IMAP_IDLE_TIMEOUT", "1"),
    ("IMAP_CAPABILITY", CAPABILITY),
    ("IMAP_CAPABILITY_TLS", CAPABILITY_IN_TLS),
    ("IMAP_TLS_REQUIRED", "0"),
    ("IMAP_USELOCKS", "1"),
    ("IMAP_KEYWORDS", "1"),
    ("IMAP_MAILBOX_SANITY_CHECK", "1"),
    ("TLS_CERTFILE", "/etc/courier/imapd.pem"),
    ("TLS_VERIFYPEER", "NONE"),
    ("COURIERTLS", "/usr/bin/couriertls"),
];
/// Whose passwords are looked up where, and by how many processes.
const AUTHENTICATION: &str = "authmodulelist=authuserdb\nauthmodulelistorig=authuserdb\ndaemons=2\nDEBUG_LOGIN=1\n";
const CAPABILITY: &str = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE";
const CAPABILITY_IN_TLS: &str =
    "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE AUTH=PLAIN";

impl Kind for Courier {
    const NAME: &'static str = "Courier";
    const MAILBOX: &'static str = "INBOX.Journal";
    const ENDS_SESSIONS_ON_DELETION: bool = false;
    const NEEDS_ROOT: bool = true;

    fn missing() -> Option<String> {
        missing_unpacked("courier")
    }

    fn set_up(place: &Place) {
        let tree = unpacked("courier").join(".");
        output(Command::new("cp").arg("-a").arg(tree).arg(place.base.path()));
        for folder in ["dev", "run/courier/authdaemon"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        // A file serves as well, and not every container lets root make a device.
        place.base.write("dev/null", "");
        place
            .base
            .write("etc/passwd", format!("root:x:0:0::/:\ncourier:x:{MAIL}:{MAIL}::/:\n"));
        place.base.write("etc/group", format!("root:x:0:\ncourier:x:{MAIL}:\n"));
        let both = place.certificate().map(|path| fs::read(path).unwrap()).concat();
        place.give(&place.base.write("etc/courier/imapd.pem", both));
        for user in USERS {
            place.folder(&format!("mail/{user}"));
            for folder in ["", "cur", "new", "tmp"] {
                place.folder(&format!("mail/{user}/Maildir/{folder}"));
            }
        }
        let hash = BASE64_STANDARD.encode(Sha256::digest(PASSWORD));
        let users = USERS.map(|user| format!("{user}\tuid={MAIL}|gid={MAIL}|home=/mail/{user}|shell=/bin/false\n"));
        let passwords = USERS.map(|user| format!("{user}\tsystempw={{SHA256}}{hash}\n"));
        place.base.write("etc/courier/authdaemonrc", AUTHENTICATION);
        make_table(place, "userdb", users.concat());
        make_table(place, "userdbshadow", passwords.concat());
    }

    fn commands(place: &Place) -> Vec<Command> {
        let authentication = inside(place, "/usr/lib/courier/courier-authlib/authdaemond");
        let session = ["/usr/lib/courier/courier/imaplogin", "/usr/bin/imapd", "Maildir"];
        let mut imap = listener(place, place.imap);
        imap.env("IMAP_STARTTLS", "YES").args(session);
        let mut imaps = listener(place, place.imaps);
        imaps
            .envs([("IMAP_STARTTLS", "NO"), ("IMAP_TLS", "1")])
            .args(["/usr/bin/couriertls", "-server", "-tcpd"])
            .args(session);
        vec![authentication, watching(place), imap, imaps]
    }

    /// Somebody must be there to look at passwords.
    fn is_ready(place: &Place) -> bool {
        UnixStream::connect(place.path("run/courier/authdaemon/socket")).is_ok()
    }
}

fn listener(place: &Place, port: u16) -> Command {
    let mut listener = inside(place, "/usr/sbin/couriertcpd");
    listener
        .envs(SETTINGS)
        .env("GAM_CLIENT_ID", watcher(place))
        .args(["-address=127.0.0.1", "-maxprocs=40", "-maxperip=20"])
        .args(["-nodnslookup", "-noidentlookup", &port.to_string()]);
    listener
}

/// What tells sessions of changes. Left to itself a session would start one that outlives the server, and without one it
/// waits for seconds.
fn watching(place: &Place) -> Command {
    let mut command = Command::new("/usr/sbin/chroot");
    command
        .env_clear()
        .arg(format!("--userspec={MAIL}:{MAIL}"))
        .arg(place.base.path())
        .args(["/usr/libexec/gam_server", "--notimeout"])
        .arg(watcher(place));
    command
}

/// Its name is that of an abstract socket, which no chroot confines: every server has its own.
fn watcher(place: &Place) -> String {
    place.imap.to_string()
}

/// A table of users as Courier reads it.
fn make_table(place: &Place, name: &str, lines: String) {
    let path = format!("/etc/courier/{name}");
    let mut maker = inside(place, "/usr/lib/courier/courier-authlib/makedatprog")
        .args(["-", &format!("{path}.new"), &format!("{path}.dat")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // The end of the table is a dot.
    let mut input = maker.stdin.take().unwrap();
    input.write_all((lines + ".\n").as_bytes()).unwrap();
    drop(input);
    assert!(maker.wait().unwrap().success());
}

fn inside(place: &Place, program: &str) -> Command {
    let mut command = Command::new("/usr/sbin/chroot");
    command.env_clear().arg(place.base.path()).arg(program);
    command
}
