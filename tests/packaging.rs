//! What an operator installs fits the program: `packaging`, and the files that SECURITY.md points at.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mailtap::limits;
use saphyr_parser::Parser;
use support::folder::Folder;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The value of `key` in the first line that begins with it, white space before it aside.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix(key))
        .unwrap_or_else(|| panic!("no {key}"))
        .trim()
}

/// The lines behind `first` that are indented deeper, without that indentation.
fn block(text: &str, first: &str) -> String {
    let lines: Vec<_> = text.lines().skip_while(|line| line.trim() != first).skip(1).collect();
    let indentation = lines[0].len() - lines[0].trim_start().len();
    let mut block = String::new();
    for line in &lines {
        match line.split_at_checked(indentation) {
            Some((space, content)) if space.trim().is_empty() => block.extend([content, "\n"]),
            _ => break,
        }
    }
    block
}

#[test]
fn the_configuration_in_the_kubernetes_manifests_loads_with_the_secrets_as_they_are_mounted() {
    let manifests = read("packaging/kubernetes.yaml");
    for event in Parser::new_from_str(&manifests) {
        event.unwrap();
    }
    let folder = Folder::new("kubernetes");
    fs::create_dir(folder.path().join("secrets")).unwrap();
    for line in block(&manifests, "stringData:").lines() {
        let (name, secret) = line.split_once(": ").unwrap();
        assert!(manifests.contains(&format!("path: secrets/{name}\n")));
        folder.write(&format!("secrets/{name}"), secret);
    }
    let mounted = value(&manifests, "mountPath:");
    let configuration = block(&manifests, "config.yaml: |").replace(mounted, folder.path().to_str().unwrap());
    let file = folder.write("config.yaml", configuration);
    let state = manifests.contains("name: STATE_DIRECTORY\n              value: /var/lib/mailtap\n");
    let environment = |name: &str| (state && name == "STATE_DIRECTORY").then(|| "/var/lib/mailtap".to_owned());
    let loaded = mailtap::config::from_file(&file, &environment).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((loaded.adapters.len(), loaded.notices.len()), (1, 0));
}

#[test]
fn whoever_stops_it_waits_longer_than_it_takes_to_deliver_the_last_batch() {
    let unit = read("packaging/mailtap.service");
    let manifests = read("packaging/kubernetes.yaml");
    for patience in [
        value(&unit, "TimeoutStopSec="),
        value(&manifests, "terminationGracePeriodSeconds:"),
    ] {
        assert!(patience.parse::<u64>().unwrap() > limits::SHUTDOWN.as_secs());
    }
}

#[test]
fn the_files_that_the_threat_model_points_at_are_there() {
    let model = read("SECURITY.md");
    let files: BTreeSet<_> = model
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && !word.contains("://") || ["Cargo.lock", "deny.toml"].contains(word))
        .collect();
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
    }
}

#[test]
fn whoever_probes_or_scrapes_asks_where_the_configuration_listens() {
    let manifests = read("packaging/kubernetes.yaml");
    let (_, port) = value(&manifests, "healthcheck:").rsplit_once(':').unwrap();
    assert_eq!(value(&manifests, "containerPort:"), port);
    assert_eq!(value(&manifests, "prometheus.io/port:").trim_matches('"'), port);
    assert_eq!(value(&manifests, "path:"), "/healthz");
    assert_eq!(manifests.matches("port: health\n").count(), 2, "by its name");
    assert!(manifests.contains("- name: health\n"));
}

#[test]
fn the_unit_starts_what_its_head_installs_with_what_it_may_see() {
    let unit = read("packaging/mailtap.service");
    let mut words = value(&unit, "ExecStart=").split(' ');
    let installed = format!("{}{}", value(&unit, "RootDirectory="), words.next().unwrap());
    assert!(
        unit.contains(&format!("install -D -m 0755 mailtap {installed}\n")),
        "{installed}"
    );
    let configuration = words.next_back().unwrap();
    assert!(
        unit.contains(&format!("config.yaml {configuration}\n")),
        "{configuration}"
    );
    let seen = value(&unit, "BindReadOnlyPaths=");
    assert!(seen.split(' ').any(|path| path == configuration), "{seen}");
    // The container starts the same, and README's first configuration names what the unit loads.
    let container = read("packaging/Containerfile");
    assert!(container.contains(&format!("\"{configuration}\"")), "{container}");
    let readme = read("README.md");
    for line in unit.lines().filter_map(|line| line.strip_prefix("LoadCredential=")) {
        let (name, path) = line.split_once(':').unwrap();
        assert_eq!(path, format!("/etc/mailtap/{name}"));
        assert!(readme.contains(&format!(": credential://{name}\n")), "{name}");
    }
}
