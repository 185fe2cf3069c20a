//! Cyrus IMAP, out of the folder where `.ci/servers` has unpacked it.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Kind, PASSWORD, Place, USERS, missing_unpacked, output, unpacked};

pub struct Cyrus;

impl Kind for Cyrus {
    const NAME: &'static str = "Cyrus";
    const MAILBOX: &'static str = "Journal";
    const ENDS_SESSIONS_ON_DELETION: bool = false;

    fn missing() -> Option<String> {
        missing_unpacked("cyrus")
    }

    fn set_up(place: &Place) {
        for folder in ["config", "config/db", "config/socket", "spool", "socket"] {
            place.folder(folder);
        }
        let [certificate, key] = place.certificate();
        // It gives up root for this user by its name.
        let user = if place.is_root {
            "mail".to_owned()
        } else {
            output(Command::new("id").arg("-un"))
        };
        let base = place.path("");
        let base = base.display();
        let settings = format!(
            "configdirectory: {base}/config
partition-default: {base}/spool
defaultpartition: default
servername: localhost
cyrus_user: {user}
unixhierarchysep: yes
altnamespace: yes
autocreate_post: yes
autocreate_quota: 0
allowplaintext: yes
failedloginpause: 0
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {base}/passwords
sasl_mech_list: PLAIN LOGIN SCRAM-SHA-256
tls_server_cert: {}
tls_server_key: {}
idlesocket: {base}/socket/idle
notifysocket: {base}/socket/notify
proc_path: {base}/proc
mboxname_lockpath: {base}/lock
",
            certificate.display(),
            key.display()
        );
        let file = place.base.write("imapd.conf", settings);
        let programs = unpacked("cyrus/usr/lib/cyrus/bin");
        let program = |name: &str| format!("{} -C {}", programs.join(name).display(), file.display());
        let services = format!(
            r#"START {{
  recover cmd="{}"
}}
SERVICES {{
  imap cmd="{imapd}" listen="127.0.0.1:{}"
  imaps cmd="{imapd} -s" listen="127.0.0.1:{}"
}}
DAEMON {{
  idled cmd="{}"
}}
"#,
            program("ctl_cyrusdb -r"),
            place.imap,
            place.imaps,
            program("idled"),
            imapd = program("imapd"),
        );
        place.base.write("cyrus.conf", services);
        for user in USERS {
            let mut child = command("usr/sbin/saslpasswd2")
                .args(["-p", "-c", "-u", "localhost", "-f"])
                .arg(place.path("passwords"))
                .arg(user)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
        }
        place.give(&place.path("passwords"));
        place.give(place.base.path());
    }

    fn commands(place: &Place) -> Vec<Command> {
        let mut master = command("usr/lib/cyrus/bin/master");
        master
            .arg("-D")
            .arg("-C")
            .arg(place.path("imapd.conf"))
            .arg("-M")
            .arg(place.path("cyrus.conf"))
            .arg("-p")
            .arg(place.path("pid"));
        vec![master]
    }
}

/// A program with the libraries and the SASL plugins of its packages; what they lack is this machine's.
fn command(program: &str) -> Command {
    let root = unpacked("cyrus");
    let folders = |names: &[&str]| -> OsString {
        let inside = names.iter().map(|name| root.join(name));
        std::env::join_paths(inside.filter(|path| fs::exists(path).unwrap())).unwrap()
    };
    let plugins = PathBuf::from("usr/lib/x86_64-linux-gnu/sasl2");
    let plugins = [root.join(&plugins), PathBuf::from("/").join(&plugins)];
    let mut command = Command::new(root.join(program));
    command
        .env(
            "LD_LIBRARY_PATH",
            folders(&["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/cyrus"]),
        )
        .env("SASL_PATH", std::env::join_paths(plugins).unwrap());
    command
}
