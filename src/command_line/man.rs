//! The man page, of what `commands.rs` says.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::commands::{self, COMMANDS, Command};
use super::{Failure, print};

/// `mailtap man`.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    if arguments.is_empty() {
        print(&page())
    } else {
        Err(Failure::Usage("man takes no argument".to_owned()))
    }
}

/// In roff, with the macros of man(7).
fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH MAILTAP 1 \"\" \"mailtap {version}\"\n.SH NAME\n");
    line(&mut page, &format!("mailtap - {}", commands::INTRODUCTION));
    page.push_str(".SH SYNOPSIS\n.nf\n");
    for command in COMMANDS {
        line(&mut page, command.synopsis().trim_end());
    }
    line(&mut page, "mailtap --version");
    page.push_str(".fi\n.SH COMMANDS\n");
    for command in COMMANDS {
        about(&mut page, command);
    }
    page.push_str(".SH LOG\n");
    line(&mut page, commands::COMMON_FLAGS);
    page.push_str(".SH EXIT STATUS\n");
    line(&mut page, commands::EXIT_CODES);
    page
}

fn about(page: &mut String, command: &Command) {
    page.push_str(".SS ");
    line(page, &format!("{}: {}", command.name, command.summary));
    text(page, command.description);
    for flag in command.flags {
        page.push_str(".TP\n.B ");
        let name = flag
            .value
            .map_or_else(|| flag.name.to_owned(), |value| format!("{} {value}", flag.name));
        line(page, &name);
        line(page, flag.meaning);
    }
    page.push_str(".PP\n");
    line(page, &format!("Exit codes: {}", command.exit_codes));
    page.push_str(".PP\n.nf\n");
    for example in command.examples {
        line(page, &format!("  {example}"));
    }
    page.push_str(".fi\n");
}

/// Paragraphs are filled, and lines that begin with two spaces stay as they are.
fn text(page: &mut String, text: &str) {
    let mut as_it_is = false;
    for written in text.lines() {
        if written.is_empty() {
            page.push_str(if as_it_is { ".fi\n.PP\n" } else { ".PP\n" });
            as_it_is = false;
            continue;
        }
        if written.starts_with("  ") && !as_it_is {
            page.push_str(".nf\n");
            as_it_is = true;
        }
        line(page, written);
    }
    if as_it_is {
        page.push_str(".fi\n");
    }
}

/// A line of text: nothing in it is a request or an escape.
fn line(page: &mut String, text: &str) {
    if text.starts_with(['.', '\'']) {
        page.push_str("\\&");
    }
    for character in text.chars() {
        match character {
            '\\' => page.push_str("\\e"),
            // A hyphen would be typeset as one: what is typed must be copied as it stands.
            '-' => page.push_str("\\-"),
            '\'' => page.push_str("\\(aq"),
            '`' => page.push_str("\\(ga"),
            '^' => page.push_str("\\(ha"),
            '~' => page.push_str("\\(ti"),
            // In quotation marks of its own line only; older readers know no UTF-8.
            _ if !character.is_ascii() => {
                let _ = write!(page, "\\[u{:04X}]", u32::from(character));
            }
            _ => page.push(character),
        }
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{line, page, text};
    use crate::command_line::commands::COMMANDS;

    #[test]
    fn no_line_of_text_is_a_request_or_an_escape() {
        let mut out = String::new();
        for hostile in [".so /etc/passwd", "'br", "a\\b", "--x", "…"] {
            line(&mut out, hostile);
        }
        assert_eq!(out, "\\&.so /etc/passwd\n\\&\\(aqbr\na\\eb\n\\-\\-x\n\\[u2026]\n");
    }

    #[test]
    fn what_is_written_as_it_is_stays_so_and_paragraphs_are_filled() {
        let mut out = String::new();
        text(&mut out, "a\nb\n\n  c\n    d\n\ne\n  f\n");
        assert_eq!(out, "a\nb\n.PP\n.nf\n  c\n    d\n.fi\n.PP\ne\n.nf\n  f\n.fi\n");
    }

    #[test]
    fn it_has_every_command_and_flag() {
        let page = page();
        for command in COMMANDS {
            assert!(page.contains(&format!("\n.SS {}: ", command.name)), "{}", command.name);
            for flag in command.flags {
                assert!(
                    page.contains(&format!("\n.B {}", flag.name.replace('-', "\\-"))),
                    "{}",
                    flag.name
                );
            }
        }
        assert!(page.is_ascii());
    }
}
