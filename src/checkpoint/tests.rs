use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Checkpoint, StateDirectory};
use crate::imap::resume::{Known, Latest, Memory, Position, Rescan};

fn at(next_uid: u64) -> Memory {
    Memory::at(Position {
        uid_validity: 4_000_000_000,
        next_uid,
    })
}

/// With everything that a checkpoint can hold.
fn full() -> Memory {
    let known = |uid| Known {
        uid,
        size: Some(u64::MAX),
        internal_date_ms: Some(-1000),
        sha256: Some([0xa5; 32]),
    };
    let unknown = Known {
        size: None,
        internal_date_ms: None,
        sha256: None,
        ..known(8)
    };
    Memory {
        done: vec![60..70, 80..80],
        latest: Some(Latest {
            from: 50,
            uids: vec![52, 53, 60],
        }),
        recent: [known(7), unknown].into_iter().collect(),
        rescan: Some(Rescan {
            presumed_below: 30,
            since_ms: Some(1_700_000_000_000),
            below: 1 << 32,
            delivered: vec![[1; 32], [0xff; 32]],
        }),
        due: vec![40..44, 51..52],
        ..at(54)
    }
}

/// A directory of this test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("mailtap-checkpoint-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_that_is_made_is_its_owners_and_so_is_the_lock() {
    let scratch = Scratch::new("mode");
    let path = scratch.0.join("new");
    let directory = StateDirectory::open(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&path), mode(&path.join("lock"))], [0o700, 0o600]);
    // One that was there stays as it is.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    drop(directory);
    StateDirectory::open(&path).unwrap();
    assert_eq!(mode(&path), 0o755);
}

#[test]
fn what_was_advanced_is_loaded_again() {
    let scratch = Scratch::new("again");
    let directory = StateDirectory::open(&scratch.0.join("made/on/demand")).unwrap();
    let mut checkpoint = directory.checkpoint("u@h:993", "INBOX");
    assert_eq!(checkpoint.load(), Ok(None));
    checkpoint.advance(&at(54)).unwrap();
    checkpoint.advance(&full()).unwrap();
    assert_eq!(directory.checkpoint("u@h:993", "INBOX").load(), Ok(Some(full())));
    assert_eq!(
        directory.checkpoint("u@h:993", "Sent").load(),
        Ok(None),
        "each mailbox has its own"
    );
    assert_eq!(
        directory.checkpoint("v@h:993", "INBOX").load(),
        Ok(None),
        "each account has its own"
    );
}

#[test]
fn matrix_13_two_processes_on_one_directory() {
    let scratch = Scratch::new("two");
    let first = StateDirectory::open(&scratch.0).unwrap();
    let error = StateDirectory::open(&scratch.0).unwrap_err().to_string();
    assert!(
        error.contains("another mailtap") && error.contains("state_dir"),
        "{error}"
    );
    drop(first);
    assert!(StateDirectory::open(&scratch.0).is_ok());
}

#[test]
fn matrix_13_a_checkpoint_cut_anywhere_is_refused_never_taken_for_a_first_run() {
    let scratch = Scratch::new("cut");
    let directory = StateDirectory::open(&scratch.0).unwrap();
    let mut checkpoint = directory.checkpoint("u", "INBOX");
    checkpoint.advance(&full()).unwrap();
    let whole = fs::read(&checkpoint.path).unwrap();
    for cut in 0..whole.len() - 1 {
        fs::write(&checkpoint.path, &whole[..cut]).unwrap();
        let error = checkpoint.load().unwrap_err().to_string();
        assert!(
            error.contains("damaged") && error.contains("from_zero"),
            "cut at {cut}: {error}"
        );
    }
    for (hostile, expected) in [
        (&b"null"[..], "damaged"),
        (b"{\"version\":3}", "newer"),
        (b"{\"version\":0}", "damaged"),
        (b"{\"version\":1,\"uidvalidity\":4294967296,\"next_uid\":1}", "damaged"),
        (b"{\"version\":1,\"uidvalidity\":-1,\"next_uid\":1}", "damaged"),
        (
            b"{\"version\":2,\"uidvalidity\":1,\"next_uid\":1,\"done\":[[5]]}",
            "damaged",
        ),
        (
            b"{\"version\":2,\"uidvalidity\":1,\"next_uid\":9,\"done\":[[20,30],[5,6]]}",
            "damaged",
        ),
        (
            b"{\"version\":2,\"uidvalidity\":1,\"next_uid\":1,\"done\":[[7,5]]}",
            "damaged",
        ),
        (
            b"{\"version\":2,\"uidvalidity\":1,\"next_uid\":1,\"recent\":[{\"sha256\":\"00\"}]}",
            "damaged",
        ),
        (
            b"{\"version\":2,\"uidvalidity\":1,\"next_uid\":9,\"after_delivery\":[[8,7]]}",
            "damaged",
        ),
        (
            b"{\"version\":2,\"uidvalidity\":1,\"next_uid\":1,\"rescan\":{}}",
            "damaged",
        ),
    ] {
        fs::write(&checkpoint.path, hostile).unwrap();
        assert!(checkpoint.load().unwrap_err().to_string().contains(expected));
    }
}

#[test]
fn matrix_1_a_crash_before_the_rename_leaves_the_old_position() {
    let scratch = Scratch::new("crash");
    let directory = StateDirectory::open(&scratch.0).unwrap();
    let mut checkpoint = directory.checkpoint("u", "INBOX");
    checkpoint.advance(&at(54)).unwrap();
    fs::write(checkpoint.path.with_extension("new"), b"{\"vers").unwrap();
    assert_eq!(checkpoint.load(), Ok(Some(at(54))));
    checkpoint.advance(&at(99)).unwrap();
    assert_eq!(checkpoint.load(), Ok(Some(at(99))));
}

#[test]
fn matrix_12_a_directory_that_cannot_be_written_says_so() {
    let scratch = Scratch::new("file");
    fs::write(&scratch.0, b"a file, not a directory").unwrap();
    let error = StateDirectory::open(&scratch.0).unwrap_err().to_string();
    assert!(error.starts_with("state_dir: "), "{error}");
    let _ = fs::remove_file(&scratch.0);
}

#[test]
fn hostile_names_stay_inside_the_directory() {
    let scratch = Scratch::new("names");
    let directory = StateDirectory::open(&scratch.0).unwrap();
    let mut checkpoint = directory.checkpoint("../../etc/passwd\0", &"/..".repeat(500));
    checkpoint.advance(&at(54)).unwrap();
    assert_eq!(
        fs::read_dir(&scratch.0).unwrap().count(),
        2,
        "the lock and the checkpoint"
    );
}

#[test]
fn the_file_of_an_older_version_is_read() {
    let scratch = Scratch::new("older");
    let directory = StateDirectory::open(&scratch.0).unwrap();
    let checkpoint = directory.checkpoint("u", "INBOX");
    let older = br#"{"account":"u","mailbox":"INBOX","next_uid":54,"uidvalidity":4000000000,"version":1}"#;
    fs::write(&checkpoint.path, older).unwrap();
    assert_eq!(checkpoint.load(), Ok(Some(at(54))));
}
