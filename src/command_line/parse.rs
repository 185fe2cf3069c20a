//! `mailtap parse`: mail files → events on standard output, or their anomalies; and their parts into a folder.

mod extract;
mod pretty;

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::commands::{self, Command};
use super::{Failure, complain, output_failure, unknown};
use crate::archive::{self, Piece};
use crate::clock::system_unix_milliseconds;
use crate::config::machine_name;
use crate::event::build::{Arrival, EventBuilder, Settings};
use crate::event::encode::encode;
use crate::event::{EmailEvent, Origin};
use crate::hidden::{escaped, escaped_json};
use crate::sink::stdout::Descriptor;
use extract::Extraction;
use pretty::pretty;

/// Prints the events of every path in `arguments`, in that order.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    // Looked at before anything is printed: a slip at the end must not cost the reading of what stands before it.
    let request = Request::read(arguments)?;
    let mut printer = Printer::new(&request)?;
    for path in &request.paths {
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

/// What the arguments ask for.
#[derive(Debug, Default)]
struct Request {
    paths: Vec<OsString>,
    pretty: bool,
    anomalies: bool,
    extract: Option<PathBuf>,
}

impl Request {
    fn read(arguments: &[OsString]) -> Result<Request, Failure> {
        let mut request = Request::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.to_string_lossy().as_ref() {
                "--pretty" => request.pretty = true,
                "--anomalies" => request.anomalies = true,
                "--extract" => {
                    let folder = arguments.next().filter(|folder| !is_flag(folder)).map(PathBuf::from);
                    let folder = folder.ok_or_else(|| Failure::Usage("--extract: name a folder".to_owned()))?;
                    if request.extract.replace(folder).is_some() {
                        return Err(Failure::Usage("--extract: given twice".to_owned()));
                    }
                }
                word if word != "-" && word.starts_with('-') => {
                    let known = commands::named("parse").map(Command::flag_names).unwrap_or_default();
                    return Err(unknown("flag", word, &known));
                }
                _ => request.paths.push(argument.clone()),
            }
        }
        if request.paths.is_empty() {
            return Err(Failure::Usage(
                "parse: name a file, a Maildir, an mbox file, or - for standard input".to_owned(),
            ));
        }
        Ok(request)
    }
}

fn is_flag(argument: &OsString) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
}

/// Turns pieces of mail into printed events.
struct Printer {
    settings: Settings,
    pretty: bool,
    anomalies: bool,
    folder: Option<Rc<Path>>,
    /// The mail under way.
    mail: Option<(String, EventBuilder<Extraction>)>,
    line: Vec<u8>,
    all_readable: bool,
    outcome: Result<(), Failure>,
}

impl Printer {
    fn new(request: &Request) -> Result<Printer, Failure> {
        if let Some(folder) = &request.extract {
            fs::create_dir_all(folder).map_err(|error| extraction_failure(folder, &error))?;
        }
        Ok(Printer {
            settings: Settings {
                hostname: machine_name().unwrap_or_default(),
                ..Settings::default()
            },
            pretty: request.pretty,
            anomalies: request.anomalies,
            folder: request.extract.as_deref().map(Rc::from),
            mail: None,
            line: Vec::new(),
            all_readable: true,
            outcome: Ok(()),
        })
    }

    fn take(&mut self, piece: Piece<'_>) -> ControlFlow<()> {
        match piece {
            Piece::Begin(source) => {
                let extraction = Extraction::new(self.folder.clone());
                let builder = EventBuilder::beside(extraction, &self.settings);
                self.mail = Some((source.to_owned(), builder));
            }
            Piece::Bytes(bytes) => {
                if let Some((_, builder)) = &mut self.mail {
                    builder.feed(bytes);
                    self.outcome = extracted(builder.visitor(), self.folder.as_deref());
                }
            }
            Piece::End => {
                if let Some((source, builder)) = self.mail.take() {
                    self.outcome = self.end(&source, builder);
                }
            }
            Piece::Unreadable { source, reason } => {
                self.mail = None;
                self.all_readable = false;
                complain(&format!("{source}: {reason}"));
            }
        }
        match self.outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn end(&mut self, source: &str, builder: EventBuilder<Extraction>) -> Result<(), Failure> {
        let arrival = Arrival {
            origin: Origin::File {
                source: source.to_owned(),
            },
            account: String::new(),
            internal_date: None,
            now: system_unix_milliseconds(),
        };
        let (event, extraction) = builder.finish_both(&self.settings, arrival);
        extracted(&extraction, self.folder.as_deref())?;
        self.line.clear();
        if self.anomalies {
            list_anomalies(source, &event, &mut self.line);
        } else if self.pretty {
            let mut compact = Vec::new();
            encode(&event, &mut compact);
            pretty(&compact, &mut self.line);
            self.line.push(b'\n');
        } else {
            encode(&event, &mut self.line);
            self.line.push(b'\n');
        }
        let written = match str::from_utf8(&self.line) {
            // A mail must not steer the terminal; a program gets its text as it is.
            Ok(line) if !self.anomalies && io::stdout().is_terminal() => {
                Descriptor.write_all(escaped_json(line).as_bytes())
            }
            _ => Descriptor.write_all(&self.line),
        };
        written.map_err(|error| output_failure(&error))
    }

    fn outcome(self) -> Result<(), Failure> {
        self.outcome?;
        if self.all_readable { Ok(()) } else { Err(Failure::Told) }
    }
}

/// `file part offset severity flag count`, separated by tabs.
fn list_anomalies(source: &str, event: &EmailEvent, output: &mut Vec<u8>) {
    let file = escaped(source);
    for anomaly in &event.message.anomalies {
        let (part, offset, severity) = (&anomaly.part, anomaly.offset, anomaly.severity);
        let line = format!(
            "{file}\t{part}\t{offset}\t{severity}\t{}\t{}\n",
            anomaly.flag, anomaly.count
        );
        output.extend_from_slice(line.as_bytes());
    }
}

fn extracted(extraction: &Extraction, folder: Option<&Path>) -> Result<(), Failure> {
    match (extraction.failure(), folder) {
        (Some(error), Some(folder)) => Err(extraction_failure(folder, error)),
        _ => Ok(()),
    }
}

fn extraction_failure(folder: &Path, error: &io::Error) -> Failure {
    Failure::Run(format!("--extract {}: {error}", folder.display()))
}
