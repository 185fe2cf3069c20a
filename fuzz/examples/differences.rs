//! `differences FOLDER`: every difference between mailtap and `mail-parser` over a folder of mails that no flag and no
//! known peculiarity explains, and the number of all by kind and verdict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mailtap_fuzz::difference::{Verdict, judge};
use mailtap_fuzz::peculiarities::PECULIARITIES;
use mailtap_fuzz::reading::Mail;

fn main() {
    let folder = std::env::args().nth(1).expect("usage: differences FOLDER");
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files);
    files.sort();
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for file in &files {
        let bytes = std::fs::read(file).expect("a file that can be read");
        for (difference, verdict) in judge(&Mail::read(&bytes)) {
            *counts.entry((difference.name(), verdict)).or_default() += 1;
            if verdict == Verdict::Silent {
                println!("{}\n  {difference:?}", file.display());
            }
        }
    }
    println!("{} mails", files.len());
    for ((kind, verdict), count) in counts {
        let reason = match verdict {
            Verdict::Peculiar(known) => PECULIARITIES[known].reason,
            _ => "",
        };
        println!("{count:6} {kind}: {verdict:?} {reason}");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry that can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
