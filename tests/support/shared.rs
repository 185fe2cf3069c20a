//! Public mails, recorded sessions and server scripts that stand beside the project, where they are.

use std::path::PathBuf;

/// The path of `name` under `../shared`; `None`, with the reason printed, where it is absent. Under `CI=true` it must be
/// there: a check that is skipped in silence is no check.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(!in_ci(), "{} is missing, and this is CI", path.display());
    println!("skipped: {} is not on this machine", path.display());
    None
}

/// Whether what is missing must fail instead of being skipped.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Every file below `folder`, sorted.
pub fn files_below(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
