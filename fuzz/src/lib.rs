//! Two readers of one mail: mailtap and `mail-parser`. What a security engineer acts on — content, media types, file names,
//! subject, sender — must be the same in both, or mailtap's event must say that the mail can be read in two ways.
//!
//! [`reading`] holds what each of them reads, [`difference`] compares, [`peculiarities`] lists what `mail-parser` is known
//! to do on its own; [`tree`] writes nested mails. `cargo run --example differences FOLDER` does the same for a folder of mails.

pub mod difference;
pub mod peculiarities;
pub mod reading;
pub mod tree;

use difference::{Verdict, judge};
use reading::Mail;

/// Fuzz entry: no difference without a flag or a reason. With `DIFFERENCES=report` in the environment it prints what it
/// finds and goes on: a random mail that the other reader takes in a new way is for a developer to judge, and says nothing
/// about the change that happens to be tested with it.
pub fn fuzz(data: &[u8]) {
    let mail = Mail::read(data);
    for (difference, verdict) in judge(&mail) {
        if verdict == Verdict::Silent {
            assert!(
                std::env::var_os("DIFFERENCES").is_some_and(|value| value == "report"),
                "{difference:?}\nours: {:#?}\ntheirs: {:#?}\nthe mail: {}",
                mail.ours,
                mail.theirs,
                data.escape_ascii()
            );
            eprintln!("{}: {}", difference.name(), data.escape_ascii());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_seed_holds() {
        for (target, fuzz) in [
            ("differential", super::fuzz as fn(&[u8])),
            ("mime_tree", super::tree::fuzz),
        ] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../testdata/fuzz")
                .join(target);
            for seed in fs::read_dir(&folder).expect("a folder of seeds") {
                let seed = seed.expect("a seed").path();
                println!("{}", seed.display());
                fuzz(&fs::read(&seed).expect("a seed that can be read"));
            }
        }
    }
}
