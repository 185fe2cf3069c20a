//! What is compiled into the program, crate by crate, is what README says, and no more than was agreed.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The whole normal tree, mailtap itself included: what somebody who audits it has to read.
const MOST_CRATES: usize = 45;

/// What mailtap is built for; what only other systems need is not compiled.
const TARGETS: [&str; 3] = [
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
];

/// Crate → the crates that want it, in the tree of normal dependencies as Cargo.lock fixes it.
fn normal_tree() -> BTreeMap<String, BTreeSet<String>> {
    let [tree, others @ ..] = TARGETS.map(normal_tree_for);
    for other in others {
        // On another processor, another crate may want one of them.
        assert!(other.keys().eq(tree.keys()), "the crates differ between {TARGETS:?}");
    }
    tree
}

fn normal_tree_for(target: &str) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", target])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = list(&metadata["packages"]);
    let names: BTreeMap<_, _> = packages
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (text(&node["id"]), node)).collect();

    let root = text(&metadata["resolve"]["root"]);
    let mut tree = BTreeMap::from([(names[&root].clone(), BTreeSet::new())]);
    let mut seen = BTreeSet::from([root.clone()]);
    let mut unread = vec![root];
    while let Some(id) = unread.pop() {
        for dependency in list(&nodes[&id]["deps"]) {
            let normal = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            if !normal {
                continue;
            }
            let wanted = text(&dependency["pkg"]);
            let wanting = tree.entry(names[&wanted].clone()).or_default();
            wanting.insert(names[&id].clone());
            if seen.insert(wanted.clone()) {
                unread.push(wanted);
            }
        }
    }
    assert_eq!(tree.len(), seen.len(), "a crate in two versions");
    tree
}

/// The first two cells of every row of README's table after the line with `marker`.
fn table(marker: &str) -> Vec<(String, String)> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows = readme.lines().skip_while(|line| !line.contains(marker));
    let rows = rows.skip_while(|line| !line.starts_with('|')).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| {
            let row = row.replace('`', "");
            let mut cells = row.trim_matches('|').split('|').map(str::trim);
            (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn the_crates_of_the_lock_file_are_those_of_the_readme() {
    let tree = normal_tree();
    let direct: BTreeSet<_> = table("against Cargo.toml").into_iter().map(|(name, _)| name).collect();
    let ours: BTreeSet<_> = tree
        .iter()
        .filter(|(_, wanting)| wanting.contains("mailtap"))
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(direct, ours);

    let indirect: Vec<_> = tree
        .iter()
        .filter(|(name, wanting)| *name != "mailtap" && !wanting.contains("mailtap"))
        .map(|(name, wanting)| (name.clone(), wanting.iter().cloned().collect::<Vec<_>>().join(", ")))
        .collect();
    let shown = table("against Cargo.lock");
    let rows: Vec<_> = indirect
        .iter()
        .map(|(name, wanting)| format!("| `{name}` | {wanting} |"))
        .collect();
    assert!(shown == indirect, "README's table should be\n{}", rows.join("\n"));
}

#[test]
fn the_tree_is_no_larger_than_agreed() {
    let tree = normal_tree();
    assert!(tree.len() <= MOST_CRATES, "{} crates: {:?}", tree.len(), tree.keys());
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let sentence = format!(
        "{} crates in all, mailtap itself included, of at most {MOST_CRATES}",
        tree.len()
    );
    assert!(readme.contains(&sentence), "README should say: {sentence}");
}

#[test]
fn no_unsafe_code_is_ours() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for root in ["src/lib.rs", "src/main.rs"] {
        let text = fs::read_to_string(folder.join(root)).unwrap();
        assert!(text.contains("\n#![forbid(unsafe_code)]\n"), "{root}");
    }
    // For tests, examples and benches, too, where no line of the file could take it back.
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nunsafe_code = \"forbid\"\n"));
}
