//! The program with nothing around it: an empty root, and only the system calls that its systemd unit allows.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::health::{configure, get};
use crate::support::collector::Collector;
use crate::support::receiver::Fault;
use crate::support::shared::in_ci;
use crate::{Stage, ends_well, mail};

/// Whether this test may go on: as root, who alone may confine a process, where `tool` works. Under `CI=true` root has it.
fn can_confine(tool: &[&str]) -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let works = Command::new(tool[0])
        .args(&tool[1..])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(!root || works || !in_ci(), "{tool:?} does not work, and this is CI");
    if !root || !works {
        println!("skipped: needs root, and {tool:?} must work");
    }
    root && works
}

const CHROOT: [&str; 3] = ["/usr/sbin/chroot", "/", "/bin/true"];
/// Debian's package python3-seccomp.
const SECCOMP: [&str; 3] = ["/usr/bin/python3", "-c", "import seccomp"];

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

/// `program`, under the filter of the unit that is shipped.
fn under_filter(program: &str) -> Command {
    let mut command = Command::new(packaging("under-filter"));
    command.arg(packaging("mailtap.service")).arg(program);
    command
}

#[test]
#[cfg_attr(not(target_env = "musl"), ignore = "only the static binary needs no libraries")]
fn an_empty_root_with_hosts_and_resolv_conf_is_enough() {
    if !can_confine(&CHROOT) {
        return;
    }
    let mut stage = Stage::new();
    let uids = stage.deliver(20);
    let root = stage.folder.path().join("root");
    for folder in ["etc", "state"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    std::fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_mailtap"), root.join("mailtap")).unwrap();
    std::fs::copy(&stage.configuration.ca_file, root.join("ca.pem")).unwrap();
    stage.configuration.ca_file = "/ca.pem".into();
    stage.configuration.state_dir = "/state".into();
    std::fs::write(root.join("config.yaml"), stage.configuration.yaml()).unwrap();
    let mut command = Command::new("/usr/sbin/chroot");
    command.arg(&root).arg("/mailtap").env_clear();
    let collector = Collector::start(command, Path::new("/config.yaml"));
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    ends_well(collector);
    assert!(root.join("state").read_dir().unwrap().count() > 0, "a checkpoint");
}

#[test]
#[cfg_attr(
    not(target_env = "musl"),
    ignore = "the unit is the static binary's: glibc asks nscd for addresses first"
)]
fn the_calls_that_the_unit_allows_are_enough_for_delivery_dead_letters_health_and_the_end() {
    if !can_confine(&SECCOMP) {
        return;
    }
    let mut stage = Stage::new();
    let port = configure(&mut stage);
    let mut uids = stage.deliver(10);
    let refused = uids.remove(4);
    stage.receiver.misbehave(Fault::Refuses {
        uid: u64::from(refused),
        code: 400,
    });
    let file = stage.folder.write("mailtap.yaml", stage.configuration.yaml());
    let collector = Collector::start(under_filter(env!("CARGO_BIN_EXE_mailtap")), &file);
    stage.wait_for_exactly(&uids);
    collector.wait_for_line(&["dead-letter"]);
    stage.wait_for_idle();
    uids.push(stage.server.deliver(&mail(99)));
    stage.wait_for_exactly(&uids);
    assert_eq!(get(port, "/metrics").0, 200);
    ends_well(collector);
}

#[test]
fn a_call_that_the_unit_does_not_allow_ends_a_process_under_its_filter() {
    const SIGSYS: i32 = 31;
    if !can_confine(&SECCOMP) {
        return;
    }
    let status = under_filter(CHROOT[0]).args(&CHROOT[1..]).status().unwrap();
    assert_eq!(status.signal(), Some(SIGSYS));
    let status = under_filter("/bin/true").status().unwrap();
    assert!(status.success(), "{status}");
}
