//! One set of expected outputs: questions asked, answers that differ, and the table that explains them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

/// How a row's reason begins: whose reading is the better one.
const VERDICTS: [&str; 3] = ["ours better: ", "theirs better: ", "choice: "];

pub struct Set {
    name: &'static str,
    /// (file, question) → reason.
    explained: BTreeMap<(String, String), String>,
    asked: usize,
    answered_alike: usize,
    /// With the flags that ours raises on each.
    files: BTreeMap<String, BTreeSet<String>>,
    differing: BTreeSet<(String, String)>,
    /// Differences without a row, both answers with each.
    unexplained: Vec<String>,
}

impl Set {
    /// With the table `testdata/agreement/NAME.tsv`: file, question, reason; no line of a mail stands in it.
    pub fn new(name: &'static str) -> Set {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/agreement");
        let table = std::fs::read_to_string(folder.join(name).with_extension("tsv")).unwrap();
        let mut explained = BTreeMap::new();
        for line in table.lines() {
            let [file, question, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{name}.tsv: three columns, not: {line}");
            };
            let judged = VERDICTS.iter().any(|verdict| reason.starts_with(verdict));
            assert!(judged, "{name}.tsv: a reason begins with one of {VERDICTS:?}: {line}");
            let row = (file.to_owned(), question.to_owned());
            assert!(explained.insert(row, reason.to_owned()).is_none(), "twice: {line}");
        }
        Set {
            name,
            explained,
            asked: 0,
            answered_alike: 0,
            files: BTreeMap::new(),
            differing: BTreeSet::new(),
            unexplained: Vec::new(),
        }
    }

    /// What our reading flags in a file: a reason that says `flagged NAME` must be true.
    pub fn flags(&mut self, file: &str, flags: &[String]) {
        let names = flags.iter().map(|flag| flag.split(' ').next_back().unwrap().to_owned());
        self.files.entry(file.to_owned()).or_default().extend(names);
    }

    /// Asks one question about a file; `true` where the answers are the same.
    pub fn ask<T: PartialEq + Debug>(&mut self, file: &str, question: &str, theirs: &T, ours: &T) -> bool {
        self.asked += 1;
        self.files.entry(file.to_owned()).or_default();
        if theirs == ours {
            self.answered_alike += 1;
            return true;
        }
        let row = (file.to_owned(), question.to_owned());
        if !self.explained.contains_key(&row) {
            let cut = |answer: &T| format!("{answer:?}").chars().take(1000).collect::<String>();
            let (theirs, ours) = (cut(theirs), cut(ours));
            let line = format!("{file}\t{question}\n    theirs {theirs}\n    ours   {ours}");
            self.unexplained.push(line);
        }
        self.differing.insert(row);
        false
    }

    /// Prints the figures; fails on what the table does not explain, and on what it explains in vain.
    pub fn finish(self) {
        let files: BTreeSet<&String> = self.differing.iter().map(|(file, _)| file).collect();
        println!(
            "{}: agree on {} of {} inputs, {} of {} answers",
            self.name,
            self.files.len() - files.len(),
            self.files.len(),
            self.answered_alike,
            self.asked
        );
        for verdict in VERDICTS {
            let rows = self.explained.values().filter(|reason| reason.starts_with(verdict));
            println!("    {verdict}{}", rows.count());
        }
        for ((file, _), reason) in &self.explained {
            let Some((_, flag)) = reason.split_once("flagged ") else {
                continue;
            };
            let flag = flag.split([';', ',', ' ']).next().unwrap();
            let Some(raised) = self.files.get(file) else { continue }; // told below
            assert!(
                raised.contains(flag),
                "{}: {file} is not flagged {flag}: {raised:?}",
                self.name
            );
        }
        let rows: BTreeSet<_> = self.explained.into_keys().collect();
        let idle: Vec<_> = rows.difference(&self.differing).collect();
        assert!(
            self.unexplained.is_empty() && idle.is_empty(),
            "{}: {} differences without a row:\n{}\nrows without a difference: {idle:#?}",
            self.name,
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
    }
}
