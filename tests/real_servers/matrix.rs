//! README's table of servers is what the servers say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::real_server::other_session::OtherSession;
use crate::support::real_server::{Kind, RealServer};

/// Rows that are a capability, which a server lists before or after the login.
const CAPABILITIES: [&str; 7] = [
    "STARTTLS",
    "AUTH=SCRAM-SHA-256",
    "IDLE",
    "UIDPLUS",
    "MOVE",
    "COMPRESS=DEFLATE",
    "SPECIAL-USE",
];

/// Compares the column of this server.
pub fn holds<K: Kind>(server: &RealServer<K>) {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table: Vec<Vec<&str>> = readme
        .lines()
        .skip_while(|line| !line.contains("by tests/real_servers.rs"))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let column = table[0].iter().position(|cell| cell.starts_with(K::NAME)).unwrap();
    let cell = |row: &str| {
        let found = table.iter().find(|cells| cells[0].trim_matches('`') == row);
        found.unwrap_or_else(|| panic!("no row {row}"))[column]
    };
    let listed = capabilities(server);
    for capability in CAPABILITIES {
        let says = if listed.contains(capability) { "yes" } else { "no" };
        assert_eq!(cell(capability), says, "{capability} of {}", K::NAME);
    }
    let selected = server.other_session().command(&format!("EXAMINE {}", K::MAILBOX));
    let says = if selected.concat().contains("[UIDNEXT") {
        "yes"
    } else {
        "no"
    };
    assert_eq!(cell("UIDNEXT in EXAMINE"), says, "{}", K::NAME);
}

/// What is listed in clear text, before the login and after it.
fn capabilities<K: Kind>(server: &RealServer<K>) -> BTreeSet<String> {
    let mut lines = server.other_session().command("CAPABILITY");
    lines.extend(OtherSession::open(server.place.imap).command("CAPABILITY"));
    lines.join(" ").split([' ', ']']).map(str::to_owned).collect()
}
