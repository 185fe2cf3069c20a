//! `mailtap check`: tries everything that a start needs and sends nothing.

use std::ffi::OsString;

use serde_json::{Value, json};

use super::{Failure, configuration, print};
use crate::hidden::{escaped, escaped_json};
use crate::supervisor::{Step, Supervisor, Verdict};

/// `mailtap check [--json] CONFIG`. Well when everything that could be tried works.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let (flags, others): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| *argument == "--json");
    let loaded = configuration::load("check", &others)?;
    let sections = loaded.adapters.len();
    let supervisor = Supervisor::prepare(loaded.adapters).map_err(Failure::Usage)?;
    let mut report = Report {
        json: !flags.is_empty(),
        sections,
        account: String::new(),
        failed: 0,
        outcome: Ok(()),
    };
    supervisor.check(&mut |step| report.tell(step));
    report.outcome?;
    if report.failed > 0 { Err(Failure::Told) } else { Ok(()) }
}

struct Report {
    json: bool,
    sections: usize,
    /// The section that is under way.
    account: String,
    failed: usize,
    /// Whether it could all be printed.
    outcome: Result<(), Failure>,
}

impl Report {
    fn tell(&mut self, step: &Step) {
        if step.verdict == Verdict::Fails {
            self.failed = self.failed.saturating_add(1);
        }
        let mut text = if self.json {
            escaped_json(&object(step).to_string()).into_owned()
        } else {
            let sign = match step.verdict {
                Verdict::Works => '✓',
                Verdict::Fails => '✗',
                Verdict::Note => '·',
            };
            escaped(&format!("{sign} {:12} {}", step.name, step.text)).into_owned()
        };
        if !self.json && self.sections > 1 && self.account != step.account {
            text = format!("{}\n{text}", escaped(&step.account));
        }
        self.account.clone_from(&step.account);
        text.push('\n');
        if self.outcome.is_ok() {
            self.outcome = print(&text);
        }
    }
}

fn object(step: &Step) -> Value {
    let works = match step.verdict {
        Verdict::Works => Some(true),
        Verdict::Fails => Some(false),
        Verdict::Note => None,
    };
    let mut object = json!({
        "account": step.account,
        "step": step.name,
        "works": works,
        "text": step.text,
    });
    if let Some(object) = object.as_object_mut() {
        object.extend(step.facts.clone());
    }
    object
}
