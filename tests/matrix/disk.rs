//! Row 12: the disk is full, fails, may only be read, or its folder is gone; under the checkpoint and under a dead letter.
//!
//! A full and a read-only disk are small file systems of their own in memory, which only root can mount; elsewhere their tests
//! say so and pass.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::{PROGRAM, ends_well, nothing_comes_again, wait_for_next_uid, with_lines};
use crate::support::destination::{Destination, Way};
use crate::support::folder::Folder;
use crate::support::line::{LARGE, Line};
use crate::support::real_server::dovecot::Dovecot;
use crate::support::real_server::{PASSWORD, RealServer, is_root};
use crate::support::shared::in_ci;
use crate::support::strace::{self, Call, OPEN};

/// A file system of 64 KiB.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// In place of this folder.
    fn mount(path: &Path) -> Option<SmallDisk> {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "mailtap-test"]).arg(path);
        let output = mount.output();
        if output.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk { path: path.to_owned() });
        }
        assert!(!(in_ci() && is_root()), "root cannot mount, and this is CI: {output:?}");
        println!("skipped: nothing can be mounted here");
        None
    }

    fn fill(&self) {
        // More than it holds: what fits is written.
        assert!(
            fs::write(self.path.join("filler"), vec![0; 70_000]).is_err(),
            "it is full"
        );
    }

    fn make_room(&self) {
        fs::remove_file(self.path.join("filler")).unwrap();
    }

    fn may_be_written(&self, may: bool) {
        let options = if may { "remount,rw" } else { "remount,ro" };
        let status = Command::new("mount").args(["-o", options]).arg(&self.path).status();
        assert!(status.unwrap().success(), "{options}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn matrix_12_a_full_disk_under_the_checkpoint_holds_it_and_loses_nothing() {
    with_lines(|mut line| {
        let Some(disk) = SmallDisk::mount(&line.configuration.state_dir) else {
            return;
        };
        line.deliver(3);
        let collector = line.start();
        wait_for_next_uid(&line, 4);
        disk.fill();
        line.deliver(5);
        collector.wait_for_line(&["checkpoint not written", "No space left"]);
        assert_eq!(line.next_uid(), 4, "the old one is whole");
        // Killed now, and there is no room for whoever comes next either.
        collector.kill();
        let collector = line.start();
        collector.wait_for_line(&["checkpoint not written", "No space left"]);
        assert_eq!(line.next_uid(), 4);
        disk.make_room();
        wait_for_next_uid(&line, 9);
        ends_well(collector);
        assert!(line.destination.repeats() <= 5, "only what was not remembered");
        nothing_comes_again(&line);
    });
}

#[test]
fn matrix_12_check_tells_a_full_disk_and_leaves_nothing_on_it() {
    let folder = Folder::new("full");
    let Some(disk) = SmallDisk::mount(&folder.path().join("state")) else {
        return;
    };
    disk.fill();
    let mut check = Command::new(PROGRAM);
    check.args(["check", "server=127.0.0.1:1", "username=u", "password=p"]);
    check.arg("client_options.dest_url=stdout:");
    check.arg(format!("state_dir={}", disk.path.display()));
    let output = check.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("state_dir: ") && told.contains("No space left"), "{told}");
    assert_eq!(fs::read_dir(&disk.path).unwrap().count(), 1, "the filler");
}

#[test]
fn matrix_12_a_full_disk_under_a_dead_letter_stops_the_mailbox_there() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    let mut line = Line::new(PROGRAM, &dovecot, Destination::that_takes(Way::Webhook, LARGE));
    let Some(disk) = SmallDisk::mount(&line.configuration.state_dir) else {
        return;
    };
    line.deliver(1);
    assert!(line.once().status().unwrap().success());
    line.destination.refuse(2);
    line.deliver(4);
    disk.fill();
    let collector = line.start();
    collector.wait_for_line(&["dead letter not written", "No space left"]);
    assert_eq!((line.next_uid(), line.letters().len()), (2, 0), "nothing passes it");
    disk.make_room();
    wait_for_next_uid(&line, 6);
    ends_well(collector);
    assert_eq!(line.letters().len(), 1);
    nothing_comes_again(&line);
}

#[test]
fn matrix_12_a_disk_that_may_only_be_read_is_told_before_anything_is_fetched() {
    with_lines(|mut line| {
        let Some(disk) = SmallDisk::mount(&line.configuration.state_dir) else {
            return;
        };
        line.deliver(2);
        let collector = line.start();
        wait_for_next_uid(&line, 3);
        // Not under the running program: while it has the attempts open, nobody can take them away.
        ends_well(collector);
        disk.may_be_written(false);
        line.deliver(2);
        let output = line.once().stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("state_dir") && said.contains("Read-only"), "{said}");
        assert_eq!(line.destination.events().len(), 2);
        disk.may_be_written(true);
        assert!(line.once().status().unwrap().success());
        nothing_comes_again(&line);
    });
}

#[test]
fn matrix_12_a_folder_that_is_removed_under_the_program_holds_the_checkpoint() {
    with_lines(|mut line| {
        line.deliver(2);
        let collector = line.start();
        wait_for_next_uid(&line, 3);
        fs::remove_dir_all(&line.configuration.state_dir).unwrap();
        line.deliver(2);
        collector.wait_for_line(&["checkpoint not written", "No such file"]);
        fs::create_dir(&line.configuration.state_dir).unwrap();
        wait_for_next_uid(&line, 5);
        ends_well(collector);
        nothing_comes_again(&line);
    });
}

/// Each call in a line of its own, all at once: an attempt after an error takes seconds.
#[test]
fn matrix_12_an_error_at_any_call_on_the_disk_is_tried_again_and_nothing_is_passed() {
    let Some(dovecot) = strace::is_here().then(RealServer::<Dovecot>::start).flatten() else {
        return;
    };
    let cases = [
        (OPEN, "new", "EROFS"),
        ("write", "new", "ENOSPC"),
        ("fsync", "new", "EIO"),
        ("rename", "new", "EIO"),
        (OPEN, "state", "EMFILE"),
        ("fsync", "state", "EIO"),
        ("write", "dead-letter.ndjson", "ENOSPC"),
        ("fsync", "dead-letter.ndjson", "EIO"),
        // What they are for is a program that a mail ends: without them nothing is lost.
        (OPEN, "attempts", "EACCES"),
        ("pwrite64", "attempts", "EIO"),
    ];
    let user = |number: usize| format!("failing{number}");
    for number in 0..cases.len() {
        dovecot.add_user(&user(number), PASSWORD, "PLAIN");
    }
    thread::scope(|scope| {
        for (number, (name, kind, error)) in cases.into_iter().enumerate() {
            let (dovecot, user) = (&dovecot, user(number));
            scope.spawn(move || {
                let way = if number % 2 == 0 || kind == "dead-letter.ndjson" {
                    Way::Webhook
                } else {
                    Way::LimaCharlie
                };
                let mut line = Line::of(&user, PROGRAM, dovecot, Destination::start(way));
                let letters = usize::from(kind == "dead-letter.ndjson");
                if letters == 1 {
                    line.destination.refuse(2);
                }
                line.deliver(3);
                let file = match kind {
                    "state" => line.configuration.state_dir.clone(),
                    kind => line.file(kind),
                };
                let call = Call {
                    name,
                    file: Some(file),
                    number: 1,
                };
                let output = line
                    .failing_at(&call, 2, error)
                    .stderr(std::process::Stdio::piped())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.signal(), None, "{name} {kind}: {said}");
                assert_eq!(
                    output.status.code(),
                    Some(if letters == 1 { 3 } else { 0 }),
                    "{name} {kind}: {said}"
                );
                assert!(
                    said.contains("os error"),
                    "{name} of {kind} failed, and nobody was told: {said}"
                );
                assert_eq!(
                    (line.next_uid(), line.letters().len()),
                    (4, letters),
                    "{name} {kind}: {said}"
                );
                nothing_comes_again(&line);
            });
        }
    });
}
