use std::fs;
use std::path::{Path, PathBuf};

use super::{resolve, resolve_path};
use crate::limits;

fn environment(name: &str) -> Option<String> {
    match name {
        "SET" => Some("from the environment".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// A folder of its own for `test`, emptied.
fn folder(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mailtap-reference-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    format!("file://{}", path.display())
}

#[test]
fn what_is_no_reference_is_itself() {
    for text in [
        "hunter2",
        "",
        "a:b",
        "://",
        "env:NAME",
        "https://x/y",
        "${SET} and more",
        "${SET}",
        "end://x",
        "fire://9sd8f7",
        "flie:///x",
        "x env://SET",
    ] {
        assert_eq!(resolve(text, &environment).as_deref(), Ok(text));
    }
}

#[test]
fn a_mistyped_reference_is_no_password() {
    for (text, expected) in [
        ("credentials://hunter2", "did you mean `credential://`?"),
        ("ENV://hunter2", "did you mean `env://`?"),
        ("File:///hunter2", "did you mean `file://`?"),
        ("Credentials://hunter2", "did you mean `credential://`?"),
    ] {
        let error = resolve(text, &environment).unwrap_err();
        assert!(error.ends_with(expected) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_line_end_behind_a_block_scalar_is_not_part_of_it() {
    assert_eq!(resolve("hunter2\n", &environment).as_deref(), Ok("hunter2"));
    assert_eq!(resolve("a\nb\n\n", &environment).as_deref(), Ok("a\nb\n"));
    assert_eq!(
        resolve("env://SET\n", &environment).as_deref(),
        Ok("from the environment")
    );
}

#[test]
fn the_path_of_a_file_is_not_what_is_in_it() {
    let folder = folder("path");
    let reference = file(&folder, "key.pem", b"hunter2");
    let environment = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(folder.display().to_string()),
        "CA" => Some("/etc/ca.pem".to_owned()),
        "UNEXPANDED" => Some("~/hunter2".to_owned()),
        "KEY" => Some("-----BEGIN PRIVATE KEY-----\nhunter2".to_owned()),
        _ => None,
    };
    for text in [&reference, "credential://key.pem", "credential://key.pem\n"] {
        assert_eq!(resolve_path(text, &environment), Ok(folder.join("key.pem")));
    }
    assert_eq!(resolve_path("env://CA", &environment), Ok(PathBuf::from("/etc/ca.pem")));
    for text in [
        "env://KEY",
        "env://UNEXPANDED",
        "~/ca.pem",
        "$HOME/ca.pem",
        "${HOME}",
        "file://ca.pem",
        "credential://a/b",
        "a\nb",
    ] {
        let error = resolve_path(text, &environment).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_variable_that_is_not_there_or_empty_is_an_error_with_its_name() {
    assert_eq!(
        resolve("env://SET", &environment).as_deref(),
        Ok("from the environment")
    );
    assert_eq!(
        resolve("env://GONE", &environment).unwrap_err(),
        "env://GONE: the environment variable is not set"
    );
    assert_eq!(
        resolve("env://EMPTY", &environment).unwrap_err(),
        "env://EMPTY: is empty"
    );
    assert!(resolve("env://", &environment).is_err());
}

#[test]
fn exactly_one_line_end_is_taken_from_a_file() {
    let folder = folder("line-end");
    for (bytes, secret) in [
        (&b"secret"[..], "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\n\n", "secret\n"),
        (b"secret\r", "secret\r"),
        (b" secret \n", " secret "),
        (b"two\nlines\n", "two\nlines"),
        (b"\xef\xbb\xbfsecret\n", "secret"),
    ] {
        assert_eq!(
            resolve(&file(&folder, "secret", bytes), &environment).as_deref(),
            Ok(secret)
        );
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_cannot_hold_a_secret_is_refused_without_its_content() {
    let folder = folder("refused");
    let most = usize::try_from(limits::SECRET_FILE_BYTES).unwrap();
    for (length, accepted) in [(most - 1, true), (most, true), (most + 1, false)] {
        let reference = file(&folder, "large", &vec![b'x'; length]);
        assert_eq!(resolve(&reference, &environment).is_ok(), accepted, "{length} bytes");
    }
    for bytes in [&b""[..], b"\n", b"\r\n", b"hunter2\xff"] {
        let error = resolve(&file(&folder, "odd", bytes), &environment).unwrap_err();
        assert!(error.starts_with("file:///") && !error.contains("hunter2"), "{error}");
    }
    for reference in [
        "file:///nonexistent/secret",
        "file:///",
        "file://relative/path",
        "file:///dev/zero",
    ] {
        let error = resolve(reference, &environment).unwrap_err();
        assert!(error.starts_with(reference), "{error}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn credentials_come_from_systemds_folder_and_from_nowhere_else() {
    let folder = folder("credential");
    file(&folder, "imap", b"secret\n");
    let directory = folder.display().to_string();
    let systemd = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| directory.clone());
    assert_eq!(resolve("credential://imap", &systemd).as_deref(), Ok("secret"));
    for outside in [
        "credential://../imap",
        "credential:///etc/passwd",
        "credential://",
        "credential://..",
        "credential://a/b",
    ] {
        let error = resolve(outside, &systemd).unwrap_err();
        assert!(error.contains("no slash"), "{error}");
    }
    assert!(
        resolve("credential://gone", &systemd)
            .unwrap_err()
            .starts_with("credential://gone: ")
    );
    assert!(
        resolve("credential://imap", &environment)
            .unwrap_err()
            .contains("$CREDENTIALS_DIRECTORY is not set")
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_hive_reference_is_refused_with_the_reason() {
    let error = resolve("hive://secret/imap-password", &environment).unwrap_err();
    assert!(error.contains("only LimaCharlie's cloud can read its hive"), "{error}");
}
