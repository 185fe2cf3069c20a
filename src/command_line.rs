//! Arguments → command → exit code.

use std::process::ExitCode;

/// Runs mailtap as `arguments` (without the program's name) say. `main.rs` is only this call, so that whatever runs
/// it, the demo included, runs the real program.
pub fn run(arguments: &[String]) -> ExitCode {
    let _ = arguments;
    ExitCode::FAILURE
}
