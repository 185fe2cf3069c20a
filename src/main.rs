//! The `mailtap` program: see [`mailtap::command_line`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// musl's own maps and unmaps pages for nearly every mail.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    mailtap::command_line::run(std::env::args_os().skip(1))
}
