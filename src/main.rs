//! The `mailtap` program: see [`mailtap::command_line`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    mailtap::command_line::run(std::env::args_os().skip(1))
}
