//! README is true: its tables are those of the code, its configurations load.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use std::fs;
use std::path::Path;

use mailtap::health::exposition;
use mailtap::limits;
use mailtap::mime::anomaly::FLAGS;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The cells of the table that follows the line which contains `marker`, without its two head lines.
fn table(readme: &str, marker: &str) -> Vec<Vec<String>> {
    let rows = readme.lines().skip_while(|line| !line.contains(marker));
    let rows = rows.skip_while(|line| !line.starts_with('|')).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| {
            row.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().replace('`', ""))
                .collect()
        })
        .collect()
}

#[test]
fn the_table_of_flags_is_the_code_s() {
    let expected: Vec<Vec<String>> = FLAGS
        .iter()
        .map(|flag| {
            vec![
                flag.name().to_owned(),
                flag.severity().name().to_owned(),
                flag.reason().replace('`', ""),
            ]
        })
        .collect();
    assert_eq!(table(&read("README.md"), "src/mime/anomaly.rs"), expected);
}

#[test]
fn the_table_of_dependencies_is_the_manifest_s() {
    let manifest = read("Cargo.toml");
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let expected: Vec<Vec<String>> = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (specification, reason) = line.split_once(" # ").expect("a reason beside every dependency");
            vec![
                specification.split(' ').next().unwrap().to_owned(),
                reason.trim().replace('`', ""),
            ]
        })
        .collect();
    assert!(expected.len() > 5);
    assert_eq!(table(&read("README.md"), "against Cargo.toml"), expected);
}

#[test]
fn the_limits_are_the_code_s() {
    let kibibytes = |bytes: usize| format!("{} KiB", bytes / 1024);
    let mebibytes = |bytes: usize| format!("{} MiB", bytes / 1024 / 1024);
    let expected = [
        format!("{}, {}", kibibytes(limits::BODY_TEXT), mebibytes(limits::EVENT_TEXT)),
        mebibytes(limits::EVENT_CONTENT),
        format!(
            "{}, {}",
            kibibytes(limits::HEADER_BLOCK),
            kibibytes(limits::EVENT_HEADERS)
        ),
        limits::PARTS.to_string(),
        format!("{}, {}", limits::DEPTH, limits::MAIL_DEPTH),
        limits::ANOMALIES.to_string(),
    ];
    let readme = read("README.md");
    let shown: Vec<String> = table(&readme, "src/limits.rs by")
        .into_iter()
        .map(|row| row[1].clone())
        .collect();
    assert_eq!(shown, expected);
    for row in [
        format!("| `max_connections` | `{}` |", limits::CONNECTIONS),
        format!("| `max_message_size` | {} |", mebibytes(limits::RAW_MAIL)),
        format!("| `client_options.batch_events` | `{}` |", limits::BATCH_EVENTS),
        format!(
            "| `proxy.connect_timeout`, `proxy.handshake_timeout`, `proxy.read_write_timeout` | `{}s`, `{}s`, `{}s` |",
            limits::PROXY_CONNECT.as_secs(),
            limits::PROXY_HANDSHAKE.as_secs(),
            limits::PROXY_SILENCE.as_secs()
        ),
    ] {
        assert!(readme.contains(&row), "{row}");
    }
    // Wherever its lines end.
    let prose = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(prose.contains(&format!("as many as come to {}.", kibibytes(limits::BATCH_BYTES))));
    assert!(prose.contains(&format!("at most {} connections are open", limits::HEALTH_CONNECTIONS)));
    assert!(prose.contains(&format!("watches for {} seconds at most", limits::TURN.as_secs())));
    assert!(prose.contains(&format!(
        "more than {},000, a name beyond {}",
        limits::MAILBOXES / 1000,
        kibibytes(limits::MAILBOX_NAME)
    )));
    assert!(prose.contains(&format!("at most one batch ({} events)", limits::BATCH_EVENTS)));
    assert!(prose.contains(&format!(
        "at most {},000 events before it: the checkpoint follows within {} ms",
        limits::UNREMEMBERED / 1000,
        limits::UNREMEMBERED_FOR.as_millis()
    )));
}

#[test]
fn the_metrics_are_the_code_s() {
    let expected: Vec<Vec<String>> = exposition::families()
        .into_iter()
        .map(|family| {
            let (kind, labels, help) = (family.kind.to_owned(), family.labels.join(", "), family.help.to_owned());
            vec![family.name.to_owned(), kind, labels, help]
        })
        .collect();
    assert_eq!(table(&read("README.md"), "src/health/exposition.rs"), expected);
    let readme = read("README.md");
    for said in [
        format!(
            "| {} minutes after the first failure |",
            limits::HEALTH_GRACE.as_secs() / 60
        ),
        format!("| for {} minutes |", limits::HEALTH_SILENCE.as_secs() / 60),
        format!("within {}\nseconds", limits::HEALTH_REQUEST.as_secs()),
        format!("at most {} connections", limits::HEALTH_CONNECTIONS),
    ] {
        assert!(readme.contains(&said), "{said}");
    }
}

#[test]
fn the_configurations_load_and_every_key_exists() {
    let readme = read("README.md");
    let folder = std::env::temp_dir().join(format!("mailtap-readme-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for name in ["password", "installation-key", "client-secret", "refresh-token"] {
        fs::write(folder.join(name), "secret").unwrap();
    }
    let environment = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(folder.display().to_string()),
        "HOME" | "IMAP_PASSWORD" => Some("/somewhere".to_owned()),
        _ => None,
    };
    let mut loaded = 0;
    for block in readme.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/ca.pem");
        let text = text.replace("/etc/mailtap/ca.pem", authority.to_str().unwrap());
        let file = folder.join(format!("{loaded}.yaml"));
        fs::write(&file, text).unwrap();
        let configuration = mailtap::config::from_file(&file, &environment).unwrap_or_else(|error| panic!("{error}"));
        assert!(configuration.notices.is_empty(), "{:?}", configuration.notices);
        loaded += 1;
    }
    assert_eq!(loaded, 5);
    fs::remove_dir_all(&folder).unwrap();

    for row in table(&readme, "key of `imap`") {
        for key in row[0].split(", ") {
            let error = mailtap::config::from_arguments([format!("{key}=").as_str()], &|_| None).unwrap_err();
            assert!(!error.to_string().contains("unknown"), "{key}: {error}");
        }
    }
}
