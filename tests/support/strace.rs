//! `strace`: it tells which system calls a program makes, and lets one of them be its last, or fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::shared::in_ci;

/// How the C library that the program is built with opens a file; the program is built as the test is.
pub const OPEN: &str = if cfg!(target_env = "musl") { "open" } else { "openat" };

/// Whether it is on this machine; in CI it must be.
pub fn is_here() -> bool {
    let here = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    assert!(here || !in_ci(), "strace is not on this machine, and this is CI");
    if !here {
        println!("skipped: strace is not on this machine");
    }
    here
}

/// The call of this name that a thread makes for the Nth time: of all such calls, or of those on one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub name: &'static str,
    pub file: Option<PathBuf>,
    pub number: usize,
}

impl Call {
    /// `program`, to be killed when it makes this call: what came before is done, the call itself is not.
    pub fn kills(&self, program: &str) -> Command {
        self.strace(program, &format!("signal=SIGKILL:when={}", self.number))
    }

    /// `program`, of which this call and the next ones like it, `times` in all, fail with `error` (`EIO`).
    pub fn fails(&self, program: &str, times: usize, error: &str) -> Command {
        let last = self.number + times - 1;
        self.strace(program, &format!("error={error}:when={}..{last}", self.number))
    }

    fn strace(&self, program: &str, what: &str) -> Command {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
        strace.arg(format!("trace={}", self.name));
        if let Some(file) = &self.file {
            strace.arg("-P").arg(file);
        }
        strace.args(["-e", &format!("inject={}:{what}", self.name), program]);
        strace
    }
}

/// Runs `program` to its end, and gives every call of these names that it made: those on one of `files` as calls on that
/// file, the others without one.
pub fn calls_of(program: &Command, names: &[&'static str], files: &[PathBuf], log: &Path) -> Vec<Call> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-s", "4096", "-o"]).arg(log);
    strace.args(["-e", "signal=none", "-e", &format!("trace={}", names.join(","))]);
    strace.arg(program.get_program()).args(program.get_args());
    let status = strace
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().code().is_some(), "{strace:?} was killed");

    let text = fs::read(log).unwrap();
    let mut counts: BTreeMap<(&str, Call), usize> = BTreeMap::new();
    let mut calls = Vec::new();
    let text = String::from_utf8_lossy(&text).into_owned();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        let Some(name) = names
            .iter()
            .find(|name| call.strip_prefix(**name).is_some_and(|rest| rest.starts_with('(')))
        else {
            continue;
        };
        // Quoted as an argument, or what a descriptor stands for.
        let is_on = |file: &&PathBuf| {
            let file = file.display();
            call.contains(&format!("\"{file}\"")) || call.contains(&format!("<{file}>"))
        };
        let mut found = Call {
            name,
            file: files.iter().find(is_on).cloned(),
            number: 0,
        };
        let count = counts.entry((thread, found.clone())).or_default();
        *count += 1;
        found.number = *count;
        calls.push(found);
    }
    calls
}
