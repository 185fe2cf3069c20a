//! `mailtap parse`: mail files → events on standard output.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use super::{Failure, complain, output_failure, unknown};
use crate::archive::{self, Piece};
use crate::clock::system_unix_milliseconds;
use crate::config::machine_name;
use crate::event::Origin;
use crate::event::build::{Arrival, EventBuilder, Settings};
use crate::event::encode::encode;

/// Prints the events of every path in `arguments`, in that order.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    if arguments.is_empty() {
        return Err(Failure::Usage(
            "parse: name a file, a Maildir, an mbox file, or - for standard input".to_owned(),
        ));
    }
    // Looked at before anything is printed: a slip at the end must not cost the reading of what stands before it.
    for argument in arguments {
        let word = argument.to_string_lossy();
        if word.starts_with('-') && word != "-" {
            return Err(unknown("flag", &word, &["--help"]));
        }
    }
    let mut printer = Printer::new();
    for path in arguments {
        let take = &mut |piece: Piece<'_>| printer.take(piece);
        let read = if path == "-" {
            archive::read_from(&mut io::stdin().lock(), "-", take)
        } else {
            archive::read(Path::new(path), take)
        };
        if read.is_break() {
            break;
        }
    }
    printer.outcome()
}

/// Turns pieces of mail into printed events.
struct Printer {
    settings: Settings,
    /// The mail under way.
    mail: Option<(String, EventBuilder)>,
    line: Vec<u8>,
    all_readable: bool,
    output: io::Result<()>,
}

impl Printer {
    fn new() -> Printer {
        Printer {
            settings: Settings {
                hostname: machine_name().unwrap_or_default(),
                ..Settings::default()
            },
            mail: None,
            line: Vec::new(),
            all_readable: true,
            output: Ok(()),
        }
    }

    fn take(&mut self, piece: Piece<'_>) -> ControlFlow<()> {
        match piece {
            Piece::Begin(source) => self.mail = Some((source.to_owned(), EventBuilder::new(&self.settings))),
            Piece::Bytes(bytes) => {
                if let Some((_, builder)) = &mut self.mail {
                    builder.feed(bytes);
                }
            }
            Piece::End => {
                if let Some((source, builder)) = self.mail.take() {
                    self.print(source, builder);
                }
            }
            Piece::Unreadable { source, reason } => {
                self.mail = None;
                self.all_readable = false;
                complain(&format!("{source}: {reason}"));
            }
        }
        match self.output {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn print(&mut self, source: String, builder: EventBuilder) {
        let arrival = Arrival {
            origin: Origin::File { source },
            account: String::new(),
            internal_date: None,
            now: system_unix_milliseconds(),
        };
        let event = builder.finish(&self.settings, arrival);
        self.line.clear();
        encode(&event, &mut self.line);
        self.line.push(b'\n');
        self.output = io::stdout().lock().write_all(&self.line);
    }

    fn outcome(self) -> Result<(), Failure> {
        self.output
            .and_then(|()| io::stdout().lock().flush())
            .map_err(|error| output_failure(&error))?;
        if self.all_readable { Ok(()) } else { Err(Failure::Told) }
    }
}
