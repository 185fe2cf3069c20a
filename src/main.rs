//! The `mailtap` program: see [`mailtap::command_line`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    mailtap::command_line::run(&arguments)
}
